"""The tables of the shared database: made by whoever comes first, brought up to date by a leader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from exporter.errors import StartError
from exporter.state import (
    cell_tables,
    hint_tables,
    live_tables,
    project_tables,
    run_tables,
    usage_store,
    versions,
)
from exporter.state.database import Connection
from exporter.state.postgres import arrivals, dialect, lease_table
from exporter.state.postgres.link import Link, Rows

Step = str | Callable[[Connection], None]
VERSION: Final = 5
SCHEMA: Final = (
    "CREATE TABLE circleci_exporter_schema (version BIGINT NOT NULL, written BIGINT NOT NULL)",
    *lease_table.SCHEMA,
    *arrivals.SCHEMA,
    *map(
        dialect.table,
        (
            *project_tables.SCHEMA,
            *run_tables.SCHEMA,
            *live_tables.SCHEMA,
            cell_tables.OF_PROJECTS.schema,
            *hint_tables.SCHEMA,
            *usage_store.SCHEMA,
            cell_tables.OF_ORGANIZATIONS.schema,
        ),
    ),
)
MIGRATIONS: Final[Mapping[int, Sequence[Step]]] = {
    1: (*lease_table.UPGRADE, "ALTER TABLE circleci_exporter_schema ADD COLUMN written BIGINT NOT NULL DEFAULT 0"),
    2: versions.TO_CELLS,
    3: versions.WITHOUT_SUMS,
    4: versions.TO_ORGANIZATION_CELLS,
}
"""What makes the next version of each version, by its number: statements of the tables, and what works on rows."""
MAKING: Final = 0x43494558_0000
"""The advisory lock of whoever makes or changes tables."""
MIGRATING: Final = 3600.0
"""Seconds that one step of an upgrade may take: a large table takes longer than a lease."""
_BEGIN: Final = ("BEGIN", "SET LOCAL lock_timeout = 5000", f"SELECT pg_advisory_xact_lock({MAKING})")
# By the catalog and not by name: a connection may remember for a while that there was no such table.
_IS_MADE: Final = """SELECT count(*) FROM pg_tables
    WHERE schemaname = current_schema() AND tablename = 'circleci_exporter_schema'"""
_VERSION: Final = "SELECT version FROM circleci_exporter_schema"
# The row names the transaction that wrote it. Where another one did, a dump was restored.
_WRITE: Final = "UPDATE circleci_exporter_schema SET version = ?, written = txid_current()"
_IS_RESTORED: Final = "SELECT xmin::TEXT::BIGINT <> written % 4294967296 FROM circleci_exporter_schema"
_FORGET: Final = (
    *run_tables.FORGET_ALL,
    *usage_store.FORGET_ALL,
    "DELETE FROM webhook",
    "UPDATE lease SET lacking = TRUE WHERE until > lease_now()",  # who leads a shard forgets what it knows, and says so
    "UPDATE circleci_exporter_schema SET written = txid_current()",
)
# A database of another program has tables of its own, and may well call one of them `project`.
_FOREIGN: Final = """SELECT count(*) FROM pg_tables
    WHERE schemaname = current_schema() AND tablename IN ('project', 'lease')"""


def make(link: Link, newest: int = VERSION) -> int:
    """Make the tables where there are none; returns their version. Raises StartError or psycopg.Error."""
    if link.run(_IS_MADE)[0][0][0]:
        return version(link, newest)
    try:
        *_, [(made,)], [(foreign,)] = link.run(*_BEGIN, _IS_MADE, _FOREIGN)
        if not (made or foreign):
            link.run(*SCHEMA, "INSERT INTO circleci_exporter_schema VALUES (0, 0)", link.write(_WRITE, (VERSION,)))
        link.run("COMMIT")
    except BaseException:
        link.roll_back()
        raise
    if foreign and not made:
        raise StartError("state.url: the database has tables of another program; use a database of its own")
    return version(link, newest)


def version(link: Link, newest: int = VERSION) -> int:
    """The version of the tables. Raises StartError where this program is too old for it, or psycopg.Error."""
    [[(found,)]] = link.run(_VERSION)
    if found > newest:
        raise StartError(f"state.url: the database has version {found}; this exporter knows versions up to {newest}")
    return int(found)


def migrate(
    link: Link, fence: str, migrations: Mapping[int, Sequence[Step]] = MIGRATIONS, newest: int = VERSION
) -> bool:
    """Bring the tables up to date; only a leader may. False where `fence` finds no row. Raises as `version` does."""
    if version(link, newest) == newest:
        return True
    try:
        *_, [(found,)], leading = link.run(*_BEGIN, _VERSION, fence)
        if leading:
            for number in range(found, newest):
                rows = _Rows(link)
                for step in migrations[number]:
                    if isinstance(step, str):
                        rows.execute(dialect.table(step))
                    else:
                        step(rows)
                rows.execute(_WRITE, (number + 1,))
            link.run("COMMIT")
            return True
    except BaseException:
        link.roll_back()
        raise
    link.roll_back()
    return False


def forget_if_restored(link: Link, fence: str) -> None:
    """Note that what was counted is too old where the tables come from a dump, for all; only a leader may.

    Nothing is done where `fence` finds no row. Raises psycopg.Error.
    """
    if not link.run(_IS_RESTORED)[0][0][0]:
        return
    try:
        *_, [(restored,)], leading = link.run(*_BEGIN, _IS_RESTORED, fence)
        if restored and leading:
            link.run(*_FORGET, limit=MIGRATING)
        link.run("COMMIT")
    except BaseException:
        link.roll_back()
        raise


class _Rows:
    """The connection of an upgrade, whose statements may take long."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        return self._link.run(self._link.write(statement, values), limit=MIGRATING)[0]

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        written = [self._link.write(statement, each) for each in values]
        if written:
            self._link.run(*written, limit=MIGRATING)
