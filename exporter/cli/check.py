"""`check`: the configuration and what it meets at CircleCI, as a table for a person or JSON for a program."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from exporter.checking import Finding, examine, token_owner
from exporter.engine import Engine
from exporter.errors import UnauthorizedError

if TYPE_CHECKING:
    from exporter.config import Config
    from exporter.logs import Logger

SHOWN_WORKFLOWS = 5


def check(config: Config, log: Logger, *, offline: bool, as_json: bool) -> bool:
    """Write what was found to standard output; returns whether all of it is good. Raises ConfigError."""
    if offline:
        _offline(config, as_json=as_json)
        return True
    engine = Engine(config, log, keep_state=False)
    client = engine.poller.client
    try:
        owner = token_owner(client)
    except UnauthorizedError as error:
        _write({"ok": False, "token": {"accepted": False, "error": str(error)}}, as_json=as_json, text=str(error))
        return False
    findings = _examine(engine, config)
    document = _document(config, findings, owner)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _table(config, findings, document)
    return bool(document["ok"])


def _offline(config: Config, *, as_json: bool) -> None:
    projects, organizations = len(config.projects), len(config.organizations)
    _write(
        {"ok": True, "projects": projects, "organizations": organizations},
        as_json=as_json,
        text=f"{config.file}: good, {projects} projects and {organizations} organizations. CircleCI was not asked.",
    )


def _write(document: dict[str, Any], *, as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def _examine(engine: Engine, config: Config) -> list[Finding]:
    """Ask about every project, with a bar on standard error that shows how far it is."""
    found: dict[str, Finding] = {}
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar, ThreadPoolExecutor(config.circleci.concurrency) as pool:
        task = bar.add_task("asking CircleCI", total=len(config.projects))
        futures = [pool.submit(examine, engine.poller.client, project) for project in config.projects]
        for future in as_completed(futures):
            finding = future.result()
            found[finding.project.slug] = finding
            bar.advance(task)
    return [found[project.slug] for project in config.projects]
