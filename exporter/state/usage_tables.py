"""The Usage exports of organizations in the state: statements, without locks or transactions of their own.

Ids of job runs are written while an export is read, under the number that it will have. They count once the
organization's facts have that number, so that ids and sums are committed together, however many ids there are.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from exporter.state.documents import parse
from exporter.state.documents import write as document
from exporter.state.seals import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exporter.state.damage import Damage
    from exporter.state.database import Connection

    Facts = TypeVar("Facts")
    CellT = TypeVar("CellT")

SCHEMA = (
    """CREATE TABLE usage_organization (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        slug TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (server, slug))""",
    """CREATE TABLE usage_cell (
        organization INTEGER NOT NULL REFERENCES usage_organization ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (organization, family, labels)) WITHOUT ROWID""",
    """CREATE TABLE usage_job (
        organization INTEGER NOT NULL REFERENCES usage_organization ON DELETE CASCADE,
        key INTEGER NOT NULL,
        export INTEGER NOT NULL,
        day INTEGER NOT NULL,
        last INTEGER NOT NULL,
        series INTEGER NOT NULL,
        cpu_median REAL,
        cpu_max REAL,
        memory_median REAL,
        memory_max REAL,
        PRIMARY KEY (organization, key)) WITHOUT ROWID""",
)
_ORGANIZATION = """INSERT INTO usage_organization (server, slug, facts) VALUES (?, ?, ?)
    ON CONFLICT (server, slug) DO UPDATE SET facts = excluded.facts"""
_CELL = """INSERT INTO usage_cell (organization, family, labels, facts) VALUES (?, ?, ?, ?)
    ON CONFLICT (organization, family, labels) DO UPDATE SET facts = excluded.facts"""
_JOB = """INSERT INTO usage_job
    (organization, key, export, day, last, series, cpu_median, cpu_max, memory_median, memory_max)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
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


class StoredJobRun(NamedTuple):
    """A job run: the key of its id, its day, the latest of its days, its series, and its use of CPU and memory."""

    key: int
    day: int
    last: int
    series: int
    use: Sequence[float | None]


class StoredCell(NamedTuple):
    """A counter or histogram, as it is written."""

    family: str
    labels: tuple[str, ...]
    facts: object


def number(connection: Connection, server: str, slug: str) -> int | None:
    """An organization's number; None when nothing is known of it."""
    query = "SELECT id FROM usage_organization WHERE server = ? AND slug = ?"
    row = connection.execute(query, (server, slug)).fetchone()
    return row and int(row[0])


def write(connection: Connection, server: str, slug: str, facts: object) -> int:
    """Write how far the exports of an organization are; returns its number."""
    connection.execute(_ORGANIZATION, (server, slug, sealed(document(facts), slug)))
    written = number(connection, server, slug)
    assert written is not None  # noqa: S101  the row is there now
    return written


def read(  # noqa: PLR0917  where it stands, and how it is read
    connection: Connection,
    server: str,
    slug: str,
    damage: Damage,
    facts: Callable[[object], Facts],
    cell: Callable[[str, tuple[str, ...], object], CellT],
) -> tuple[Facts, list[CellT]] | None:
    """What is known of an organization: its facts and its cells, made from their documents; None where nothing is.

    Damaged facts are deleted with all that hangs on them: its counters begin at 0.
    """
    query = "SELECT id, facts FROM usage_organization WHERE server = ? AND slug = ?"
    row = connection.execute(query, (server, slug)).fetchone()
    if row is None:
        return None
    found = damage.guard("usage", slug, lambda: facts(parse(unsealed(row[1], slug))), None)
    if found is None:
        damage.forget(connection, "DELETE FROM usage_organization WHERE id = ?", row[0])
        return None
    return found, list(_cells(connection, row[0], slug, damage, cell))


def write_cells(connection: Connection, organization: int, cells: Iterable[StoredCell]) -> None:
    """Write counters and histograms."""
    rows = []
    for family, labels, facts in cells:
        names = document(labels)
        rows.append((organization, family, names, sealed(document(facts), family, names)))
    connection.executemany(_CELL, rows)


def drop_cells(connection: Connection, organization: int, family: str) -> None:
    """Delete all counters or histograms of a family."""
    connection.execute("DELETE FROM usage_cell WHERE organization = ? AND family = ?", (organization, family))


def keep_new(connection: Connection, organization: int, export: int, runs: Mapping[int, StoredJobRun]) -> set[int]:
    """Write the job runs that are not there yet, by their keys, under the number of an export; returns their keys."""
    known = {key for (key,) in connection.execute(_KNOWN, (organization, json.dumps(list(runs))))}
    new = runs.keys() - known
    connection.executemany(
        _JOB,
        [
            (organization, run.key, export, run.day, run.last, run.series, *run.use)
            for run in map(runs.get, sorted(new))
            if run
        ],
    )
    return new


def drop_pending(connection: Connection, organization: int, counted: int) -> None:
    """Delete the job runs of an export that was not read to its end; those up to the number `counted` were."""
    connection.execute("DELETE FROM usage_job WHERE organization = ? AND export > ?", (organization, counted))


def prune(connection: Connection, organization: int, first: int) -> None:
    """Delete job runs all of whose days are before the first of every export to come."""
    connection.execute("DELETE FROM usage_job WHERE organization = ? AND last < ?", (organization, first))


def use_of(connection: Connection, organization: int, day: int) -> list[dict[int, float]]:
    """The use of CPU and memory on a day: median of medians and maximum of each, by series; in percent."""
    return [dict(connection.execute(query, (organization, day)).fetchall()) for query in _USE]


def _cells(
    connection: Connection,
    organization: int,
    slug: str,
    damage: Damage,
    cell: Callable[[str, tuple[str, ...], object], CellT],
) -> Iterator[CellT]:
    query = "SELECT family, labels, facts FROM usage_cell WHERE organization = ?"
    for family, labels, facts in connection.execute(query, (organization,)).fetchall():
        found = damage.guard("usage_cell", slug, partial(_cell, family, labels, facts, cell), None)
        if found is None:
            delete = "DELETE FROM usage_cell WHERE organization = ? AND family = ? AND labels = ?"
            damage.forget(connection, delete, organization, family, labels)
        else:
            yield found


def _cell(family: str, labels: str, facts: object, cell: Callable[[str, tuple[str, ...], object], CellT]) -> CellT:
    return cell(family, tuple(parse(labels)), parse(unsealed(facts, family, labels)))
