"""The part of `check` about self-hosted runners: which resource classes there are, and whether they can be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from exporter.cli.printable import line
from exporter.cli.remedies import REMEDIES
from exporter.runners.examination import examine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from exporter.config import Config
    from exporter.process.engine import Engine

OWN_REMEDIES = {
    "not_found": "It does not exist, or the token's user cannot see it.",
    "redirect": "`runners.url` redirects: it is not the final address. Use the address that it redirects to.",
}
"""What differs from projects, by reason."""


def entries(config: Config, engine: Engine) -> list[dict[str, Any]]:
    """What a call told of each namespace and each listed class, for a program."""
    return [
        {
            "namespace" if finding.is_namespace else "resource_class": finding.subject,
            "ok": not finding.error,
            "error": finding.error,
            "reason": finding.reason,
            **({"resource_classes": list(finding.classes)} if finding.is_namespace else {}),
        }
        for finding in examine(config, engine.telemetry, engine.stop, os.environ)
    ]


def explain(console: Console, found: Iterable[dict[str, Any]]) -> None:
    """The same for a person: a line each, and what to do where it fails."""
    for entry in found:
        subject, reason = entry.get("namespace") or entry["resource_class"], entry["reason"]
        if reason:
            console.print(line(f"Runners of {subject} fail: {entry['error']}", style="red"))
            console.print(line(f"    {OWN_REMEDIES.get(reason) or REMEDIES[reason]}"))
        elif "namespace" in entry:
            console.print(line(f"Runners of {subject}: {', '.join(entry['resource_classes']) or 'no resource class'}"))
        else:
            console.print(line(f"Runners of {subject}: readable"))
