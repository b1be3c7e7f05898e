"""What is known of pipelines in the state file: statements, without locks or transactions of their own.

What is damaged raises an exception of whatever kind.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from exporter.counting.book import Changes
from exporter.runs.live import Live, WatchedPipeline
from exporter.state.damage import Damage
from exporter.state.database import Connection, single
from exporter.state.documents import Reader, document, parse, sealed, unsealed

_JOB_TABLE = """CREATE TABLE job (
    project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
    key INTEGER NOT NULL,
    stopped_at INTEGER NOT NULL,{due}
    PRIMARY KEY (project, key)) WITHOUT ROWID"""
_WATCHED = (
    """CREATE TABLE pipeline (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, id)) WITHOUT ROWID""",
    """CREATE TABLE live (
        project INTEGER PRIMARY KEY REFERENCES ledger ON DELETE CASCADE,
        facts TEXT NOT NULL)""",
)
SCHEMA_2 = (_JOB_TABLE.format(due=""), *_WATCHED)
"""The tables as version 2 made them."""
SCHEMA = (_JOB_TABLE.format(due=" due INTEGER NOT NULL DEFAULT 0,"), *_WATCHED)
WITH_DUE = "ALTER TABLE job ADD COLUMN due INTEGER NOT NULL DEFAULT 0"

TABLES = ("live", "pipeline", "job")
_READ_LIVE = Reader[Live](Live)
_READ_PIPELINE = Reader[WatchedPipeline](WatchedPipeline)
_LIVE = "INSERT INTO live (project, facts) VALUES (?, ?) ON CONFLICT (project) DO UPDATE SET facts = excluded.facts"
_PIPELINES = "SELECT id, facts FROM pipeline WHERE project = ?"
_DELETE_PIPELINE = "DELETE FROM pipeline WHERE project = ? AND id = ?"
_PIPELINE = """INSERT INTO pipeline (project, id, facts) VALUES (?, ?, ?)
    ON CONFLICT (project, id) DO UPDATE SET facts = excluded.facts"""
_FORGET = "DELETE FROM job WHERE project = ? AND stopped_at < ?"
_KNOWN = "SELECT key FROM job WHERE project = ? AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"


def write(connection: Connection, project: int, live: Live, changes: Changes, oldest: int) -> None:
    """Write what has changed of the pipelines of a project that has a ledger.

    Jobs that stopped before `oldest` are forgotten, now and then: it takes a look at each of them.
    """
    connection.execute(_LIVE, (project, sealed(document(replace(live, pipelines={})))))
    kept = {id_: pipeline for id_, pipeline in changes.pipelines.items() if pipeline is not None}
    connection.executemany(_DELETE_PIPELINE, [(project, id_) for id_ in changes.pipelines.keys() - kept.keys()])
    connection.executemany(_PIPELINE, [(project, id_, sealed(document(pipeline))) for id_, pipeline in kept.items()])
    again = known_jobs(connection, project, changes.jobs)
    connection.executemany(
        "INSERT INTO job (project, key, stopped_at, due) VALUES (?, ?, ?, ?)",
        [(project, key, at, int(due)) for key, (at, due) in changes.jobs.items() if key not in again],
    )
    if changes.whole or changes.floors:
        connection.execute(_FORGET, (project, oldest))


def read(connection: Connection, project: int, slug: str, damage: Damage) -> Live | None:
    """What is known of a project's pipelines; None where nothing is, or what all of it hangs on is damaged."""
    row = single(connection.execute("SELECT facts FROM live WHERE project = ?", (project,)))
    if row is None:
        return None
    live = damage.guard("live", slug, lambda: _live(row[0]), None)
    if live is None:
        for table in TABLES:
            damage.forget(connection, f"DELETE FROM {table} WHERE project = ?", project)  # noqa: S608  our own names
        return None
    pipelines = damage.rows("pipeline", slug, connection, _PIPELINES, _DELETE_PIPELINE, project, _pipeline)
    return replace(live, pipelines={pipeline.id: pipeline for pipeline in pipelines})


def known_jobs(connection: Connection, project: int | None, keys: Collection[int]) -> set[int]:
    """Those of some jobs' keys that are remembered."""
    return {key for (key,) in connection.execute(_KNOWN, (project, json.dumps(list(keys))))}


def forget(connection: Connection, project: int) -> None:
    """Delete all that is known of a project's pipelines; its ledger stays."""
    for table in TABLES:
        connection.execute(f"DELETE FROM {table} WHERE project = ?", (project,))  # noqa: S608  names of our own


def _live(facts: object) -> Live:
    return replace(_READ_LIVE.read(parse(unsealed(facts))), pipelines={})


def _pipeline(identifier: object, facts: object) -> WatchedPipeline:
    pipeline = _READ_PIPELINE.read(parse(unsealed(facts)))
    if pipeline.id != identifier:
        raise ValueError
    return pipeline
