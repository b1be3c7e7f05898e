"""What is known of pipelines in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from exporter.state import live_records, sums
from exporter.state.documents import write as document
from exporter.state.seals import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from exporter.runs.counters import Cell, Key
    from exporter.runs.counting import Changes
    from exporter.runs.live import Live, WatchedPipeline
    from exporter.state.damage import Damage
    from exporter.state.database import Connection

SCHEMA = (
    """CREATE TABLE job (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        key INTEGER NOT NULL,
        stopped_at INTEGER NOT NULL,
        PRIMARY KEY (project, key)) WITHOUT ROWID""",
    """CREATE TABLE pipeline (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, id)) WITHOUT ROWID""",
    """CREATE TABLE counter (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, family, labels)) WITHOUT ROWID""",
    """CREATE TABLE live (
        project INTEGER PRIMARY KEY REFERENCES ledger ON DELETE CASCADE,
        facts TEXT NOT NULL)""",
)

TABLES = ("live", "pipeline", "counter", "job", "job_sums")
_LIVE = "INSERT INTO live (project, facts) VALUES (?, ?) ON CONFLICT (project) DO UPDATE SET facts = excluded.facts"
_PIPELINE = """INSERT INTO pipeline (project, id, facts) VALUES (?, ?, ?)
    ON CONFLICT (project, id) DO UPDATE SET facts = excluded.facts"""
_CELL = """INSERT INTO counter (project, family, labels, facts) VALUES (?, ?, ?, ?)
    ON CONFLICT (project, family, labels) DO UPDATE SET facts = excluded.facts"""
_FORGET = "DELETE FROM job WHERE project = ? AND stopped_at < ? RETURNING key, stopped_at"
_KNOWN = "SELECT key FROM job WHERE project = ? AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"


def write(connection: Connection, project: int, live: Live, changes: Changes, oldest: int) -> None:
    """Write what has changed of the pipelines of a project that has a ledger.

    Jobs that stopped before `oldest` are forgotten, now and then: it takes a look at each of them.
    """
    connection.execute(_LIVE, (project, sealed(live_records.write_live(live))))
    kept = {id_: pipeline for id_, pipeline in changes.pipelines.items() if pipeline is not None}
    connection.executemany(
        "DELETE FROM pipeline WHERE project = ? AND id = ?",
        [(project, id_) for id_ in changes.pipelines.keys() - kept.keys()],
    )
    connection.executemany(_PIPELINE, [(project, id_, sealed(document(pipeline))) for id_, pipeline in kept.items()])
    cells = {key: cell for key, cell in changes.cells.items() if cell is not None}
    connection.executemany(
        "DELETE FROM counter WHERE project = ? AND family = ? AND labels = ?",
        [(project, key.family, document(key.labels)) for key in changes.cells.keys() - cells.keys()],
    )
    connection.executemany(_CELL, [(project, *_columns(key, cell)) for key, cell in cells.items()])
    again = known_jobs(connection, project, changes.jobs)
    jobs = [(key, stopped_at) for key, stopped_at in changes.jobs.items() if key not in again]
    connection.executemany(
        "INSERT INTO job (project, key, stopped_at) VALUES (?, ?, ?)", [(project, *job) for job in jobs]
    )
    sums.add_jobs(connection, project, jobs)
    if changes.whole or changes.floors:
        sums.add_jobs(connection, project, connection.execute(_FORGET, (project, oldest)).fetchall(), -1)


def read(connection: Connection, project: int, slug: str, damage: Damage) -> Live | None:
    """What is known of a project's pipelines; None where nothing is, or what all of it hangs on is damaged."""
    row = connection.execute("SELECT facts FROM live WHERE project = ?", (project,)).fetchone()
    if row is None:
        return None
    live = damage.guard("live", slug, lambda: _live(connection, project, row[0]), None)
    if live is None:
        for table in TABLES:
            damage.forget(connection, f"DELETE FROM {table} WHERE project = ?", project)  # noqa: S608  our own names
        return None
    cells = dict(_cells(connection, project, slug, live, damage))
    return replace(
        live,
        pipelines=dict(_pipelines(connection, project, slug, damage)),
        cells=cells,
        held=frozenset(key for key, cell in cells.items() if cell.held is not None),
    )


def known_jobs(connection: Connection, project: int, keys: Collection[int]) -> set[int]:
    """Those of some jobs' keys that are remembered."""
    return {key for (key,) in connection.execute(_KNOWN, (project, document(list(keys))))}


def forget(connection: Connection, project: int) -> None:
    """Delete all that is known of a project's pipelines; its ledger stays."""
    for table in TABLES:
        connection.execute(f"DELETE FROM {table} WHERE project = ?", (project,))  # noqa: S608  names of our own


def _pipelines(
    connection: Connection, project: int, slug: str, damage: Damage
) -> Iterator[tuple[str, WatchedPipeline]]:
    rows = connection.execute("SELECT id, facts FROM pipeline WHERE project = ?", (project,)).fetchall()
    for stored_id, facts in rows:
        pipeline = damage.guard("pipeline", slug, partial(_pipeline, stored_id, facts), None)
        if pipeline is None:
            damage.forget(connection, "DELETE FROM pipeline WHERE project = ? AND id = ?", project, stored_id)
        else:
            yield pipeline.id, pipeline


def _cells(connection: Connection, project: int, slug: str, live: Live, damage: Damage) -> Iterator[tuple[Key, Cell]]:
    rows = connection.execute("SELECT family, labels, facts FROM counter WHERE project = ?", (project,)).fetchall()
    for family, labels, facts in rows:
        cell = damage.guard("counter", slug, partial(_cell, family, labels, facts, live), None)
        if cell is None:
            delete = "DELETE FROM counter WHERE project = ? AND family = ? AND labels = ?"
            damage.forget(connection, delete, project, family, labels)
        else:
            yield cell


def _columns(key: Key, cell: Cell) -> tuple[str, str, str]:
    labels = document(key.labels)
    return key.family, labels, sealed(document(cell), key.family, labels)


def _live(connection: Connection, project: int, facts: object) -> Live:
    live = live_records.read_live(unsealed(facts))
    sums.check_jobs(connection, project)
    return live


def _cell(family: str, labels: str, facts: object, live: Live) -> tuple[Key, Cell]:
    return live_records.read_cell(family, labels, unsealed(facts, family, labels), live)


def _pipeline(identifier: object, facts: object) -> WatchedPipeline:
    return live_records.read_pipeline(identifier, unsealed(facts))
