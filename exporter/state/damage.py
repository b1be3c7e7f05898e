"""What of the state file cannot be read: each record costs itself alone, is counted, and logged once."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from exporter.telemetry import Telemetry

Value = TypeVar("Value")
Other = TypeVar("Other")

KINDS = (
    "version",
    "server",
    "project",
    "facts",
    "outcomes",
    "part",
    "ledger",
    "workflow",
    "live",
    "pipeline",
    "counter",
    "hint",
)
"""Label `kind`."""
_LOST = {
    "ledger": "the project's run counters start at 0",
    "workflow": "its run counters start at 0",
    "live": "the project's job counters start at 0",
    "counter": "one counter starts at 0",
}


class Damage:
    """Guards the reading of records."""

    def __init__(self, telemetry: Telemetry, log: BoundLogger) -> None:
        """Show every kind at 0."""
        self._telemetry, self._log = telemetry, log
        self._logged: set[tuple[str, str, str]] = set()
        for kind in KINDS:
            telemetry.state_damaged.labels(kind)

    def guard(
        self, kind: str, of: str, reading: Callable[[], Value], otherwise: Other, *, name: str = ""
    ) -> Value | Other:
        """What `reading` returns, or `otherwise` where it fails: `of` is a project's slug, `name` the record's."""
        try:
            return reading()
        except Exception as problem:  # noqa: BLE001  damage can raise anything, and all of it is counted
            self._found(kind, of, name, problem)
            return otherwise

    def forget(self, connection: sqlite3.Connection, delete: str, *row: object) -> None:
        """Delete a damaged record; where that is not possible, the next start finds and counts it again."""
        with suppress(sqlite3.Error, UnicodeEncodeError):
            connection.execute(delete, row)

    def _found(self, kind: str, of: str, name: str, problem: Exception) -> None:
        self._telemetry.state_damaged.labels(kind).inc()
        if (kind, of, name) in self._logged:
            return
        self._logged.add((kind, of, name))
        words = str(problem) if isinstance(problem, sqlite3.Error) else type(problem).__name__
        fields = {"project": of, "name": name, "consequence": _LOST.get(kind, "")}
        self._log.error(
            "a damaged record of the state file was dropped",
            kind=kind,
            problem=words,
            **{field: value for field, value in fields.items() if value},
        )
