"""The ledgers of runs in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from exporter.state import run_records
from exporter.state.records import text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from exporter.runs import Ledger

KEEP_AWAY = 86_400.0
"""Seconds for which the ledger of a project that was taken out is kept at all."""

SCHEMA = (
    """CREATE TABLE ledger (
        project INTEGER PRIMARY KEY REFERENCES project ON DELETE CASCADE,
        facts TEXT NOT NULL,
        left_at REAL)""",
    """CREATE TABLE workflow (
        id INTEGER PRIMARY KEY,
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        name TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (project, name))""",
    """CREATE TABLE run (
        workflow INTEGER NOT NULL REFERENCES workflow ON DELETE CASCADE,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID""",
)

_LEDGER = """INSERT INTO ledger (project, facts) VALUES (?, ?)
    ON CONFLICT (project) DO UPDATE SET facts = excluded.facts, left_at = NULL"""
_WORKFLOW = """INSERT INTO workflow (project, name, facts) VALUES (?, ?, ?)
    ON CONFLICT (project, name) DO UPDATE SET facts = excluded.facts"""
_KNOWN = """SELECT key FROM run
    WHERE workflow = (SELECT id FROM workflow WHERE project = ? AND name = ?)
    AND key IN (SELECT value FROM json_each(?))"""


class Remembered(NamedTuple):
    """What one workflow's poll changes among the runs that are remembered.

    `created` holds the creation of each new run by its key; those created before `floor` are forgotten,
    unless it is None.
    """

    created: Mapping[int, int]
    floor: int | None = None


def write(
    connection: sqlite3.Connection, project: int, ledger: Ledger, remembered: Mapping[str, Remembered], *, whole: bool
) -> None:
    """Write a ledger, the documents of the workflows that were read (or of all), and the keys of their runs."""
    connection.execute(_LEDGER, (project, run_records.write_ledger(ledger)))
    connection.execute(
        "DELETE FROM workflow WHERE project = ? AND name NOT IN (SELECT value FROM json_each(?))",
        (project, text(list(ledger.workflows))),
    )
    names = ledger.workflows if whole else remembered
    connection.executemany(
        _WORKFLOW, [(project, name, run_records.write_workflow(ledger.workflows[name])) for name in names]
    )
    for name, (created, floor) in remembered.items():
        row = connection.execute("SELECT id FROM workflow WHERE project = ? AND name = ?", (project, name)).fetchone()
        workflow = int(row[0])
        connection.executemany(
            "INSERT INTO run (workflow, key, created_at) VALUES (?, ?, ?)",
            [(workflow, key, moment) for key, moment in created.items()],
        )
        if floor is not None:
            connection.execute("DELETE FROM run WHERE workflow = ? AND created_at < ?", (workflow, floor))


def read(connection: sqlite3.Connection, project: int) -> Ledger | None:
    """A project's ledger; None without one, and of a project that was taken out."""
    row = connection.execute("SELECT facts FROM ledger WHERE project = ? AND left_at IS NULL", (project,)).fetchone()
    if row is None:
        return None
    workflows = connection.execute("SELECT name, facts FROM workflow WHERE project = ?", (project,)).fetchall()
    return run_records.read_ledger(row[0], dict(workflows))


def known(connection: sqlite3.Connection, project: int, workflow: str, keys: Collection[int]) -> set[int]:
    """Those of the keys that are remembered of a workflow."""
    return {key for (key,) in connection.execute(_KNOWN, (project, workflow, json.dumps(list(keys))))}


def leave(connection: sqlite3.Connection, project: int, now: float) -> None:
    """Note that a project was taken out, and forget those that have been out for long."""
    connection.execute("UPDATE ledger SET left_at = ? WHERE project = ? AND left_at IS NULL", (now, project))
    connection.execute("DELETE FROM ledger WHERE left_at < ?", (now - KEEP_AWAY,))


def resume(connection: sqlite3.Connection, project: int, since: float) -> Ledger | None:
    """The ledger of a project that is there again, unless it was taken out before `since`: then it is forgotten."""
    connection.execute("DELETE FROM ledger WHERE project = ? AND left_at < ?", (project, since))
    connection.execute("UPDATE ledger SET left_at = NULL WHERE project = ?", (project,))
    return read(connection, project)
