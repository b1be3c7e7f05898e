"""What of the state file cannot be read: each record costs itself alone, is counted, and logged once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

from structlog.stdlib import BoundLogger

from exporter.errors import StateError
from exporter.state.database import Connection, Database
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
    "usage",
    "usage_cell",
)
"""Label `kind`."""
_LOST = {
    "ledger": "the project's run counters start at 0",
    "workflow": "what has ended since its last poll is not counted",
    "live": "what has ended since the last look is not counted",
    "counter": "one counter starts at 0",
    "usage": "the organization's usage counters start at 0",
    "usage_cell": "one counter starts at 0",
}


class Damage:
    """Guards the reading of records."""

    def __init__(self, telemetry: Telemetry, log: BoundLogger, database: Database) -> None:
        """Show every kind at 0."""
        self._telemetry, self._log, self._database = telemetry, log, database
        self._logged: set[tuple[str, str, str]] = set()
        for kind in KINDS:
            telemetry.state_damaged.labels(kind)

    def guard(
        self, kind: str, of: str, reading: Callable[[], Value], otherwise: Other, *, name: str = ""
    ) -> Value | Other:
        """What `reading` returns, or `otherwise` where it fails: `of` is a project's slug, `name` the record's.

        Raises StateError for what says nothing about the record: an outage of the database.
        """
        try:
            return reading()
        except StateError:
            raise
        except self._database.outages as outage:
            raise StateError(f"{self._database.name}: {' '.join(str(outage).split())}") from None
        except Exception as problem:  # noqa: BLE001  damage can raise anything, and all of it is counted
            self._found(kind, of, name, problem)
            return otherwise

    def rows(  # noqa: PLR0917  where the rows stand, and how they are read
        self,
        kind: str,
        of: str,
        connection: Connection,
        select: str,
        delete: str,
        owner: object,
        read: Callable[..., Value],
    ) -> Iterator[Value]:
        """What `read` makes of the columns of each row of an owner.

        `delete` names a damaged row by the owner and its first columns.
        """
        for row in list(connection.execute(select, (owner,))):
            found = self.guard(kind, of, partial(read, *row), None)
            if found is None:
                self.forget(connection, delete, owner, *row[: delete.count("?") - 1])
            else:
                yield found

    def forget(self, connection: Connection, delete: str, *row: object) -> None:
        """Delete a damaged record; where that is not possible, the next start finds and counts it again."""
        with suppress(self._database.errors, UnicodeEncodeError):
            connection.execute(delete, row)

    def _found(self, kind: str, of: str, name: str, problem: Exception) -> None:
        self._telemetry.state_damaged.labels(kind).inc()
        if (kind, of, name) in self._logged:
            return
        self._logged.add((kind, of, name))
        words = str(problem) if isinstance(problem, self._database.errors) else type(problem).__name__
        fields = {"project": of, "name": name, "consequence": _LOST.get(kind, "")}
        self._log.error(
            f"a damaged record of {self._database.name} was dropped",
            kind=kind,
            problem=words,
            **{field: value for field, value in fields.items() if value},
        )
