"""The parts of `check` beside projects: self-hosted runners, and the Usage export, of which it starts none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console

from exporter.cli.remedies import REMEDIES
from exporter.cli.telling import failure, line
from exporter.config import Config, write_duration
from exporter.errors import PollError
from exporter.process.engine import Engine
from exporter.runners.examination import examine
from exporter.usage import identity, planning

RUNNER_REMEDIES = REMEDIES | {
    "not_found": "It does not exist, or the token's user cannot see it. If every `/runner/tasks` fails so, CircleCI no "
    "longer counts tasks for anyone: do not scale by them. `circleci_runners` goes on.",
    "redirect": "`runners.url` redirects: it is not the final address. Use the address that it redirects to.",
}
USAGE_REMEDIES = REMEDIES | {"not_found": "The slug is wrong, or the token's user is no member of the organization."}
"""By reason; what they add differs from projects."""


def runners(config: Config, engine: Engine) -> list[dict[str, Any]]:
    """What a call told of each namespace and each listed class, for a program."""
    return [
        {
            "namespace" if finding.is_namespace else "resource_class": finding.subject,
            "ok": not finding.error,
            "error": finding.error,
            "reason": finding.reason,
            **({"resource_classes": list(finding.classes)} if finding.is_namespace else {}),
        }
        for finding in examine(config, engine.client, engine.stop, os.environ)
    ]


def explain_runners(console: Console, found: Iterable[dict[str, Any]]) -> None:
    """The same for a person: a line each, and what to do where it fails."""
    for entry in found:
        subject = entry.get("namespace") or entry["resource_class"]
        what = f"Runners of {subject}"
        if entry["reason"]:
            failure(console, f"Reading runners of {subject}", entry["error"], RUNNER_REMEDIES[entry["reason"]])
        elif "namespace" in entry:
            console.print(line(f"{what}: {', '.join(entry['resource_classes']) or 'no resource class'}"))
        else:
            console.print(line(f"{what}: readable"))


def usage(config: Config, engine: Engine) -> list[dict[str, Any]]:
    """What is known of each organization, and which days its next export would have, for a program."""
    return [_usage_of(slug, config, engine) for slug in config.usage.organizations]


def explain_usage(console: Console, found: Iterable[dict[str, Any]]) -> None:
    """The same for a person: a line each, and what to do where it fails."""
    for entry in found:
        what = f"Usage export of {entry['organization']}"
        if entry["reason"]:
            failure(console, what, entry["error"], USAGE_REMEDIES[entry["reason"]])
            continue
        days = f"{entry['first_day']} to {entry['last_day']} first, then every {entry['interval']}"
        console.print(line(f"{what} (organization ID {entry['id']}): {days} until yesterday is read."))


def _usage_of(slug: str, config: Config, engine: Engine) -> dict[str, Any]:
    entry: dict[str, Any] = {"organization": slug, "ok": True, "error": "", "reason": ""}
    try:
        entry["id"] = identity.find(slug, identity.polled(slug, config, engine.store), engine.attempts)
    except PollError as error:
        return {**entry, "ok": False, "error": str(error), "reason": error.reason}
    today = planning.day_of(engine.clocks.wall() - engine.attempts.ahead())
    window = planning.window_of(planning.Progress(), today)
    if window is not None:
        entry |= {
            "first_day": planning.written(window.first)[:10],
            "last_day": planning.written(window.end - 1)[:10],
            "interval": write_duration(config.usage.interval),
        }
    return entry
