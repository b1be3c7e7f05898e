"""The part of `check` about the Usage export: whose it is, and which days the next export would have. Starts none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.cli.printable import line
from exporter.cli.remedies import REMEDIES
from exporter.config import write_duration
from exporter.errors import PollError
from exporter.usage import identity, planning
from exporter.usage.organization import projects_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from exporter.config import Config
    from exporter.process.engine import Engine

OWN_REMEDIES = {
    "not_found": "The slug is wrong, or the token's user is no member of the organization.",
}
"""What differs from projects, by reason."""


def entries(config: Config, engine: Engine) -> list[dict[str, Any]]:
    """What is known of each organization, for a program."""
    return [_entry(slug, config, engine) for slug in config.usage.organizations]


def explain(console: Console, found: Iterable[dict[str, Any]]) -> None:
    """The same for a person: a line each, and what to do where it fails."""
    for entry in found:
        name, reason = entry["organization"], entry["reason"]
        if reason:
            console.print(line(f"Usage export of {name} fails: {entry['error']}", style="red"))
            console.print(line(f"    {OWN_REMEDIES.get(reason) or REMEDIES[reason]}"))
            continue
        console.print(
            line(
                f"Usage export of {name} (organization ID {entry['id']}): {entry['first_day']} to {entry['last_day']} "
                f"first, then every {entry['interval']} until yesterday is read."
            )
        )


def _entry(slug: str, config: Config, engine: Engine) -> dict[str, Any]:
    entry: dict[str, Any] = {"organization": slug, "ok": True, "error": "", "reason": ""}
    try:
        entry["id"] = identity.find(slug, projects_of(slug, config, engine.store), engine.attempts)
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
