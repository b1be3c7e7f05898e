"""`check`: the configuration and what it meets at CircleCI, as a table for a person or JSON for a program."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from exporter.cli import sources_check
from exporter.cli.check_table import count, counters_kept, table, without_state
from exporter.cli.once import found
from exporter.cli.online_check import Finding, examine, token_owner, with_pipelines
from exporter.cli.remedies import REMEDIES
from exporter.cli.webhook_check import webhook_of
from exporter.config import CircleCI, Config, Organization, Project
from exporter.errors import PollError, UnauthorizedError
from exporter.insights.collectors import ORGANIZATIONS, PIPELINES
from exporter.knowledge.calls import HOUR, NONE, Calls, calls_per_hour, lists_per_hour, searches_per_hour
from exporter.knowledge.discovered_projects import chosen, seen
from exporter.knowledge.organization_lists import organization_of
from exporter.knowledge.pipeline_calls import more_in_busiest_hour
from exporter.process.engine import Engine
from exporter.system.logs import Logger
from exporter.system.signals import on_signals


def check(config: Config, log: Logger, *, offline: bool, as_json: bool, webhook_url: str = "") -> bool:
    """Write what was found to standard output; returns whether all of it is good.

    With `webhook_url`, projects whose pipelines are polled are asked for a webhook with that address.
    Raises ConfigError, StartError, and Stopped after a signal.
    """
    if offline:
        _offline(config, as_json=as_json)
        return True
    engine = Engine(config, log, keep_state=False)
    on_signals(dict.fromkeys((signal.SIGTERM, signal.SIGINT), engine.stop.set))
    client = engine.client
    try:
        owner = token_owner(client)
    except PollError as error:
        accepted = False if isinstance(error, UnauthorizedError) else None
        _write(
            {"ok": False, "token": {"accepted": accepted, "error": str(error)}},
            as_json=as_json,
            text=f"{error}\n{REMEDIES[error.reason]}",
        )
        return False
    projects, _ = found(engine, config, 0, 1)
    findings = _examine(engine, projects, config.circleci, webhook_url)
    sources = sources_check.examine(config, engine)
    document = _document(config, engine, findings, sources, owner)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        table(config, findings, sources, document)
    return bool(document["ok"])


def _offline(config: Config, *, as_json: bool) -> None:
    projects, organizations = len(config.projects), len(config.organizations)
    found = f"{count(projects, 'project')}, {count(organizations, 'organization')}"
    polled: list[Project | Organization] = [*config.projects, *config.organizations]
    lost = [each.slug for each in polled if not counters_kept(config, each)]
    said = [f"{config.file} is valid: {found}. CircleCI was not contacted.", *([without_state(lost)] if lost else [])]
    _write(
        {"ok": True, "projects": projects, "organizations": organizations, "counters_kept": not lost},
        as_json=as_json,
        text="\n".join(said),
    )


def _write(document: dict[str, Any], *, as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def _examine(engine: Engine, projects: Sequence[Project], circleci: CircleCI, webhook_url: str) -> list[Finding]:
    """Ask about every project, with a bar on standard error that shows how far it is."""

    def examined_of(project: Project) -> Finding:
        finding = with_pipelines(examine(engine.client, project), engine.attempts)
        if not webhook_url or finding.error or PIPELINES not in project.collectors:
            return finding
        registered = webhook_of(engine.client, project.slug, finding.project_id, webhook_url, circleci.api_url)
        return replace(finding, webhook=registered)

    examined: dict[str, Finding] = {}
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar, ThreadPoolExecutor(circleci.concurrency) as pool:
        task = bar.add_task("checking projects", total=len(projects))
        futures = [pool.submit(examined_of, project) for project in projects]
        for future in as_completed(futures):
            finding = future.result()
            examined[finding.project.slug] = finding
            bar.advance(task)
    return [examined[project.slug] for project in projects]


def _document(
    config: Config, engine: Engine, findings: Sequence[Finding], sources: sources_check.Found, owner: str
) -> dict[str, Any]:
    lists = lists_per_hour(finding.project for finding in findings if not finding.error)
    calls = [_calls(finding, listed=organization_of(finding.project.slug) in lists) for finding in findings]
    searches = [searches_per_hour(organization) for organization in config.organizations]
    projects = [_project(config, *each) for each in zip(findings, calls, strict=True)]
    organizations = [_organization(engine, *each) for each in zip(config.organizations, searches, strict=True)]
    beside = {collector: sources_check.documents(found) for collector, found in sources.items()}
    total = sum((*lists.values(), *calls, *searches), NONE)
    surveyed = [(finding.project, finding.pipelines.day) for finding in findings if finding.pipelines]
    busiest = total.most + sum(more_in_busiest_hour(*each) for each in surveyed)
    return {
        "ok": all(entry["ok"] for entry in chain(projects, organizations, *beside.values())),
        "token": {"accepted": True, "login": owner},
        "projects": projects,
        "pipeline_lists": [{"organization": each, "calls_per_hour": of._asdict()} for each, of in lists.items()],
        "first_look": sum(finding.pipelines.first_look for finding in findings if finding.pipelines),
        "calls_per_hour": {
            **total._asdict(),
            "busiest": busiest,
            "allowed": config.circleci.requests_per_second * HOUR,
        },
        "organizations": organizations,
        **beside,
    }


def _calls(finding: Finding, *, listed: bool) -> Calls:
    matches = finding.project.workflows.match
    return calls_per_hour(
        finding.project,
        {(scope.branch, scope.window): sum(map(matches, scope.workflows)) for scope in finding.scopes},
        None if finding.counted is None else len(finding.counted),
        day=finding.pipelines.day if finding.pipelines else None,
        listed=listed,
    )


def _project(config: Config, finding: Finding, calls: Calls) -> dict[str, Any]:
    pipelines = finding.pipelines
    return {
        "project": finding.project.name,
        "slug": finding.project.slug,
        "ok": not finding.error and (finding.webhook is None or finding.webhook.good),
        "error": finding.error,
        "reason": finding.reason,
        "default_branch": finding.default_branch,
        "scopes": [asdict(scope) for scope in finding.scopes],
        "calls_per_hour": calls._asdict(),
        "counters_kept": counters_kept(config, finding.project),
        "pipelines": pipelines and {"a_day": round(pipelines.day.a_day), "first_look": pipelines.first_look},
        "webhook": finding.webhook and asdict(finding.webhook),
    }


def _organization(engine: Engine, organization: Organization, calls: Calls) -> dict[str, Any]:
    (snapshot, _) = engine.store.organizations[organization.slug]
    error = snapshot.outcomes[ORGANIZATIONS].error
    return {
        "organization": organization.slug,
        "ok": not error,
        "error": error,
        "projects": len(chosen(organization, seen(snapshot))),
        "calls_per_hour": calls._asdict(),
    }
