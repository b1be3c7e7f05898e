"""The versions of the state file: their tables, and how one becomes the next.

Each version has tables of its own. So the tables say which version a file is, even where its number is damaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from exporter.errors import StartError
from exporter.state import (
    cell_tables,
    cells_upgrade,
    generation,
    hint_tables,
    live_tables,
    project_tables,
    run_tables,
    usage_store,
)
from exporter.state.database import Connection

_NEWEST = 255
"""No exporter has a version beyond this: it is damage."""


class Version(NamedTuple):
    """One version: what makes its tables, and what makes them from those of the version before."""

    tables: tuple[str, ...]
    upgrade: tuple[str | Callable[[Connection], None], ...]


COUNTER, USAGE_CELL = (
    f"""CREATE TABLE {table} (
        {owner} INTEGER NOT NULL REFERENCES {parent} ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY ({owner}, family, labels)) WITHOUT ROWID"""
    for table, owner, parent in (
        ("counter", "project", "ledger"),
        ("usage_cell", "organization", "usage_organization"),
    )
)
"""The cells of jobs and pipelines up to version 4, and those of usage up to version 6."""
SUMS = tuple(
    f"""CREATE TABLE {table} (
    {owner} INTEGER PRIMARY KEY REFERENCES {parent} ON DELETE CASCADE,
    number INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    times INTEGER NOT NULL)"""
    for table, owner, parent in (("run_sums", "workflow", "workflow"), ("job_sums", "project", "ledger"))
)
"""What versions 4 and 5 had beside the keys of runs and jobs."""
WITHOUT_SUMS = ("DROP TABLE run_sums", "DROP TABLE job_sums")
_RUNS, _HINTS = (*project_tables.SCHEMA, *run_tables.SCHEMA), (*hint_tables.SCHEMA, *generation.SCHEMA)
_ALWAYS = (*_RUNS, *live_tables.SCHEMA_2, *_HINTS)
_SECOND = (*_ALWAYS, COUNTER)
TO_CELLS = (cell_tables.OF_PROJECTS.schema, cells_upgrade.upgrade, "DROP TABLE counter")
TO_ORGANIZATION_CELLS = (
    cell_tables.OF_ORGANIZATIONS.schema,
    cells_upgrade.upgrade_usage,
    "DROP TABLE usage_cell",
    live_tables.WITH_DUE,
    usage_store.WITH_DUE,
)
_USAGE = (*usage_store.SCHEMA_3, USAGE_CELL)
_CELLS = (*_ALWAYS, cell_tables.OF_PROJECTS.schema)
VERSIONS = {
    1: Version((*project_tables.SCHEMA, *run_tables.SCHEMA_1), ()),
    2: Version(
        _SECOND,
        (
            "ALTER TABLE run ADD COLUMN credited INTEGER NOT NULL DEFAULT 1",
            *live_tables.SCHEMA_2,
            *hint_tables.SCHEMA,
            *generation.SCHEMA,
            COUNTER,
        ),
    ),
    3: Version((*_SECOND, *_USAGE), _USAGE),
    4: Version((*_SECOND, *_USAGE, *SUMS), SUMS),
    5: Version((*_CELLS, *_USAGE, *SUMS), TO_CELLS),
    6: Version((*_CELLS, *_USAGE), WITHOUT_SUMS),
    7: Version(
        (
            *_RUNS,
            *live_tables.SCHEMA,
            *_HINTS,
            *usage_store.SCHEMA,
            cell_tables.OF_PROJECTS.schema,
            cell_tables.OF_ORGANIZATIONS.schema,
        ),
        TO_ORGANIZATION_CELLS,
    ),
}
VERSION = max(VERSIONS)


class NoVersionError(ValueError):
    """The tables are of no version that this exporter knows."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of today in an empty database."""
    _run(connection, VERSIONS[VERSION].tables)
    _number(connection)


def found(connection: sqlite3.Connection) -> tuple[int, int]:
    """The version that the tables are of, and the number in the file. Where they differ, the number is damaged.

    Raises StartError for a newer version, NoVersionError for what no version ever was.
    """
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {_plain(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
    for version, known in VERSIONS.items():
        if tables == set(map(_plain, known.tables)):
            return version, number
    if VERSION < number <= _NEWEST:
        raise StartError(f"the state file has version {number}; this exporter knows versions up to {VERSION}")
    if number not in VERSIONS:
        raise NoVersionError(f"its version is {number}")
    if not tables >= set(map(_plain, VERSIONS[number].tables)):
        raise NoVersionError("tables are missing")
    return number, number


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from a version to that of today, and write its number."""
    for newer in range(version + 1, VERSION + 1):
        _run(connection, VERSIONS[newer].upgrade)
    _number(connection)


def _run(connection: sqlite3.Connection, steps: tuple[str | Callable[[Connection], None], ...]) -> None:
    for step in steps:
        if isinstance(step, str):
            connection.execute(step)
        else:
            step(connection)


def _number(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _plain(sql: str | None) -> str:
    return " ".join((sql or "").split())
