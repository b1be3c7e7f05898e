"""The Usage exports of organizations in the state. What is counted is committed with its ids, or not at all.

Ids of job runs are written while an export is read, under the number that it will have. They count once the
organization's facts have that number, so that ids and sums are committed together, however many ids there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from exporter.counting.cells import Cell, Cells, Key
from exporter.state.access import Access
from exporter.state.cell_tables import OF_ORGANIZATIONS
from exporter.state.damage import Damage
from exporter.state.database import Connection, single
from exporter.state.documents import document, parse, sealed, unsealed

Facts = TypeVar("Facts")
NOTHING: Mapping[Key, Cell | None] = MappingProxyType({})

_ORGANIZATION_TABLE = """CREATE TABLE usage_organization (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    slug TEXT NOT NULL,
    facts TEXT NOT NULL,
    UNIQUE (server, slug))"""
_JOB_TABLE = """CREATE TABLE usage_job (
    organization INTEGER NOT NULL REFERENCES usage_organization ON DELETE CASCADE,
    key INTEGER NOT NULL,
    export INTEGER NOT NULL,
    day INTEGER NOT NULL,
    last INTEGER NOT NULL,
    series INTEGER NOT NULL,
    cpu_median REAL,
    cpu_max REAL,
    memory_median REAL,
    memory_max REAL,{due}
    PRIMARY KEY (organization, key)) WITHOUT ROWID"""
SCHEMA_3 = (_ORGANIZATION_TABLE, _JOB_TABLE.format(due=""))
"""The tables as version 3 made them."""
SCHEMA = (_ORGANIZATION_TABLE, _JOB_TABLE.format(due=" due INTEGER NOT NULL DEFAULT 0,"))
WITH_DUE = "ALTER TABLE usage_job ADD COLUMN due INTEGER NOT NULL DEFAULT 0"
_READ = "SELECT id, facts FROM usage_organization WHERE server = ? AND slug = ?"
_NUMBER = "SELECT id FROM usage_organization WHERE server = ? AND slug = ?"
_ORGANIZATION = """INSERT INTO usage_organization (server, slug, facts) VALUES (?, ?, ?)
    ON CONFLICT (server, slug) DO UPDATE SET facts = excluded.facts RETURNING id"""
_JOB = """INSERT INTO usage_job
    (organization, key, export, day, last, series, cpu_median, cpu_max, memory_median, memory_max, due)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_KNOWN = """SELECT key FROM usage_job
    WHERE organization = ? AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_MEDIAN = """SELECT series, AVG(used) FROM (
        SELECT series, {column} AS used,
            ROW_NUMBER() OVER (PARTITION BY series ORDER BY {column}) AS place,
            COUNT(*) OVER (PARTITION BY series) AS total
        FROM usage_job WHERE organization = ? AND day = ? AND {column} IS NOT NULL) AS ranked
    WHERE place IN ((total + 1) / 2, (total + 2) / 2) GROUP BY series"""
_MAXIMUM = """SELECT series, MAX({column}) FROM usage_job
    WHERE organization = ? AND day = ? AND {column} IS NOT NULL GROUP BY series"""
_USE = (
    _MEDIAN.format(column="cpu_median"),
    _MAXIMUM.format(column="cpu_max"),
    _MEDIAN.format(column="memory_median"),
    _MAXIMUM.format(column="memory_max"),
)


FORGET_ALL = ("DELETE FROM organization_cell", "UPDATE usage_organization SET facts = '{\"uncounted\":true}'")
"""What forgets all counters. The ids that the next export has are remembered, and nothing of it is counted."""


class StoredJobRun(NamedTuple):
    """A job run: the key of its id, its day, the latest of its days, its series, and its use of CPU and memory.

    Where it is `due`, the project's own ledger must have it too.
    """

    key: int
    day: int
    last: int
    series: int
    use: Sequence[float | None]
    due: bool = False


def forget_all(connection: Connection, server: str | None) -> int:
    """Forget the counters of organizations, of one server or of all; returns how many there were."""
    every = connection.execute("SELECT id, server FROM usage_organization")
    chosen = [id_ for id_, of in every if server in {None, of}]
    for id_ in chosen:
        connection.execute("DELETE FROM organization_cell WHERE organization = ?", (id_,))
        connection.execute("UPDATE usage_organization SET facts = ? WHERE id = ?", ('{"uncounted":true}', id_))
    return len(chosen)


class UsageStore:
    """Every method raises Stopped, or StateError where the database does not serve: then nothing is written."""

    def __init__(self, access: Access, damage: Damage) -> None:
        self._access, self._damage, self._connection = access, damage, access.connection

    def read(self, slug: str, facts: Callable[[object], Facts]) -> tuple[Facts, Cells] | None:
        """What is known of an organization: its facts, made from their document, and its cells; None where nothing is.

        Damaged facts are deleted with all that hangs on them: its counters begin at 0.
        """
        with self._access.reading():
            if self._access.before:  # what was counted is to be forgotten first
                with self._access.transaction():
                    pass
        with self._access.reading(), self._access.database.view():
            row = single(self._connection.execute(_READ, (self._access.server, slug)))
            if row is None:
                return None
            organization, written = row
            found = self._damage.guard("usage", slug, lambda: facts(parse(unsealed(written, slug))), None)
            if found is None:
                delete = "DELETE FROM usage_organization WHERE id = ?"
                self._damage.forget(self._connection, delete, organization)
                return None
            return found, OF_ORGANIZATIONS.read(self._connection, organization, slug, self._damage)

    def write(self, slug: str, facts: object, changed: Mapping[Key, Cell | None] = NOTHING, first: int = 0) -> None:
        """Write facts, and the cells that changed with them; those that are None are deleted.

        With `first`, job runs all of whose days are before it are forgotten: no export to come has them.
        """
        with self._access.counting():
            row = (self._access.server, slug, sealed(document(facts), slug))
            [(organization,)] = self._connection.execute(_ORGANIZATION, row)
            OF_ORGANIZATIONS.write(self._connection, organization, changed)
            if first:
                past = "DELETE FROM usage_job WHERE organization = ? AND last < ?"
                self._connection.execute(past, (organization, first))

    def begin_export(self, slug: str, counted: int) -> None:
        """Forget the job runs of an export that was not read to its end; `counted` exports were."""
        with self._access.counting():
            pending = "DELETE FROM usage_job WHERE organization = ? AND export > ?"
            self._connection.execute(pending, (self._number(slug), counted))

    def keep_new(self, slug: str, export: int, runs: Mapping[int, StoredJobRun]) -> set[int]:
        """Write the job runs of an export that no export had before, by their keys; returns those keys."""
        with self._access.counting():
            organization = self._number(slug)
            if organization is None:
                return set()
            known = {key for (key,) in self._connection.execute(_KNOWN, (organization, json.dumps(list(runs))))}
            new = [runs[key] for key in sorted(runs.keys() - known)]
            rows = [
                (organization, run.key, export, run.day, run.last, run.series, *run.use, int(run.due)) for run in new
            ]
            self._connection.executemany(_JOB, rows)
            return {run.key for run in new}

    def use_of(self, slug: str, day: int) -> list[dict[int, float]]:
        """The use of CPU and memory on a day: median of medians and maximum of each, by series; in percent."""
        with self._access.reading():
            organization = self._number(slug)
            queries = () if organization is None else _USE
            return [dict(self._connection.execute(query, (organization, day))) for query in queries]

    def _number(self, slug: str) -> int | None:
        row = single(self._connection.execute(_NUMBER, (self._access.server, slug)))
        return row and int(row[0])
