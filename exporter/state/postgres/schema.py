"""The tables of the shared database: made by whoever comes first, brought up to date by a leader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from exporter.errors import StartError
from exporter.state import hint_tables, live_tables, project_tables, run_tables, sums, usage_store
from exporter.state.postgres import arrivals, dialect, lease_table
from exporter.state.postgres.link import Link

VERSION: Final = 1
SCHEMA: Final = (
    "CREATE TABLE circleci_exporter_schema (version BIGINT NOT NULL)",
    *lease_table.SCHEMA,
    *arrivals.SCHEMA,
    *map(
        dialect.table,
        (
            *project_tables.SCHEMA,
            *run_tables.SCHEMA,
            *live_tables.SCHEMA,
            *hint_tables.SCHEMA,
            *sums.SCHEMA,
            *usage_store.SCHEMA,
        ),
    ),
)
MIGRATIONS: Final[Mapping[int, Sequence[str]]] = {}
"""The statements that make the next version of each version, by its number."""
MAKING: Final = 0x43494558_0000
"""The advisory lock of whoever makes or changes tables."""
MIGRATING: Final = 3600.0
"""Seconds that one step of an upgrade may take: a large table takes longer than a lease."""
_BEGIN: Final = ("BEGIN", "SET LOCAL lock_timeout = 5000", f"SELECT pg_advisory_xact_lock({MAKING})")
# By the catalog and not by name: a connection may remember for a while that there was no such table.
_IS_MADE: Final = """SELECT count(*) FROM pg_tables
    WHERE schemaname = current_schema() AND tablename = 'circleci_exporter_schema'"""
_VERSION: Final = "SELECT version FROM circleci_exporter_schema"
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
            link.run(*SCHEMA, link.write("INSERT INTO circleci_exporter_schema (version) VALUES (?)", (VERSION,)))
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
    link: Link, fence: str, migrations: Mapping[int, Sequence[str]] = MIGRATIONS, newest: int = VERSION
) -> bool:
    """Bring the tables up to date; only a leader may. False where `fence` finds no row. Raises as `version` does."""
    if version(link, newest) == newest:
        return True
    try:
        *_, [(found,)], leading = link.run(*_BEGIN, _VERSION, fence)
        if leading:
            for number in range(found, newest):
                link.run(
                    *migrations[number],
                    link.write("UPDATE circleci_exporter_schema SET version = ?", (number + 1,)),
                    limit=MIGRATING,
                )
            link.run("COMMIT")
            return True
    except BaseException:
        link.roll_back()
        raise
    link.roll_back()
    return False
