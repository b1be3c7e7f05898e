"""The ledgers of runs in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from exporter.counting.book import Changes
from exporter.counting.cells import Cells
from exporter.counting.ledger import FURTHEST, Ledger, WorkflowLedger
from exporter.state import cell_tables, records
from exporter.state.damage import Damage
from exporter.state.database import Connection, single
from exporter.state.documents import Reader, document, parse, sealed, unsealed

KEEP_AWAY = 86_400.0
"""Seconds for which the ledger of a project that was taken out is kept at all."""

_COUNTED = (
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
)
SCHEMA_1 = (
    *_COUNTED,
    """CREATE TABLE run (
        workflow INTEGER NOT NULL REFERENCES workflow ON DELETE CASCADE,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID""",
)
"""The tables as version 1 made them."""
SCHEMA = (
    *_COUNTED,
    """CREATE TABLE run (
        workflow INTEGER NOT NULL REFERENCES workflow ON DELETE CASCADE,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        credited INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID""",
)

_READ_LEDGER = Reader[Ledger](Ledger)
_READ_WORKFLOW = Reader[WorkflowLedger](WorkflowLedger)
_LEDGER = """INSERT INTO ledger (project, facts) VALUES (?, ?)
    ON CONFLICT (project) DO UPDATE SET facts = excluded.facts, left_at = NULL"""
_WORKFLOW = """INSERT INTO workflow (project, name, facts) VALUES (?, ?, ?)
    ON CONFLICT (project, name) DO UPDATE SET facts = excluded.facts"""
_NUMBER = "SELECT id FROM workflow WHERE project = ? AND name = ?"
_KNOWN = """SELECT key, credited FROM run
    WHERE workflow = (SELECT id FROM workflow WHERE project = ? AND name = ?)
    AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_CREDIT = """UPDATE run SET credited = 1 WHERE workflow = ?
    AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_RERUN = """UPDATE run SET credited = 2 WHERE workflow = ? AND credited = 0
    AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_FORGET = "DELETE FROM run WHERE workflow = ? AND created_at < ? AND (credited = 1 OR created_at < ?)"
_LEDGERS = "SELECT id, server, slug FROM project JOIN ledger ON ledger.project = project.id"
FORGET_ALL = ("UPDATE ledger SET left_at = 0",)
"""What takes out every ledger: none is resumed after so long, and what it has goes when its project counts again."""
_IS_KNOWN = "SELECT 1 FROM run WHERE workflow IN (SELECT id FROM workflow WHERE project = ?) AND key = ? LIMIT 1"


def write(connection: Connection, project: int, ledger: Ledger, changes: Changes, now: float) -> None:
    """Write what has changed of a ledger; a run that is remembered already is as it was.

    One that would be counted again is refused: the database raises.
    """
    connection.execute(_LEDGER, (project, sealed(document(replace(ledger, workflows={}, cells=Cells())))))
    connection.execute(
        "DELETE FROM workflow WHERE project = ? AND name NOT IN (SELECT value FROM json_each(?))",
        (project, json.dumps(list(ledger.workflows))),
    )
    told = {*changes.workflows, *changes.runs, *changes.credited, *changes.reruns, *changes.floors}
    names = list(ledger.workflows) if changes.whole else sorted(told & ledger.workflows.keys())
    connection.executemany(
        _WORKFLOW, [(project, name, sealed(document(ledger.workflows[name]), name)) for name in names]
    )
    for name in sorted(told & ledger.workflows.keys()):
        again = known(connection, project, name, changes.runs.get(name, {}))
        [(workflow,)] = connection.execute(_NUMBER, (project, name))
        _remember(connection, int(workflow), name, changes, again, now)
    cell_tables.OF_PROJECTS.write(connection, project, changes.cells)


def forget_all(connection: Connection, server: str | None, mine: Callable[[str], bool]) -> int:
    """Take out what was counted of some projects, of one server or of all, for ever; returns how many there were."""
    chosen = [id_ for id_, of, slug in connection.execute(_LEDGERS) if server in {None, of} and mine(slug)]
    connection.executemany("UPDATE ledger SET left_at = 0 WHERE project = ?", [(id_,) for id_ in chosen])
    return len(chosen)


def begin_anew(connection: Connection, project: int) -> None:
    """Forget all that was counted of a project."""
    connection.execute("DELETE FROM ledger WHERE project = ?", (project,))


def _remember(  # noqa: PLR0917  what is known of one workflow
    connection: Connection, workflow: int, name: str, changes: Changes, again: Collection[int], now: float
) -> None:
    """Write the new runs of a workflow, and those whose credits have come.

    Runs created before the floor are forgotten, those whose credits have not come once CircleCI has forgotten them.
    """
    runs = changes.runs.get(name, {}).items()
    new = ((key, told) for key, told in runs if key in changes.counted or key not in again)
    connection.executemany(
        "INSERT INTO run (workflow, key, created_at, credited) VALUES (?, ?, ?, ?)",
        [(workflow, key, created_at, int(credited)) for key, (created_at, credited) in new],
    )
    if name in changes.reruns:
        connection.execute(_RERUN, (workflow, json.dumps(list(changes.reruns[name]))))
    if name in changes.credited:
        connection.execute(_CREDIT, (workflow, json.dumps(list(changes.credited[name]))))
    if name in changes.floors:
        connection.execute(_FORGET, (workflow, changes.floors[name], int(now - FURTHEST)))


def read(connection: Connection, project: int, slug: str, damage: Damage) -> Ledger | None:
    """A project's ledger; None without one, and of a project that was taken out.

    A damaged ledger is deleted, and begins anew. A damaged workflow begins anew alone: its next poll counts nothing.
    """
    row = single(connection.execute("SELECT facts FROM ledger WHERE project = ? AND left_at IS NULL", (project,)))
    if row is None:
        return None
    ledger = damage.guard("ledger", slug, lambda: _ledger(row[0]), None)
    if ledger is None:
        damage.forget(connection, "DELETE FROM ledger WHERE project = ?", project)
        return None
    workflows = {}
    rows = list(connection.execute("SELECT id, name, facts FROM workflow WHERE project = ?", (project,)))
    for number, stored_name, facts in rows:
        name = damage.guard("workflow", slug, partial(records.label, stored_name), None)
        if name is None:
            damage.forget(connection, "DELETE FROM workflow WHERE id = ?", number)
            continue
        reading = partial(_workflow, name, facts)
        workflows[name] = damage.guard("workflow", slug, reading, WorkflowLedger(0, baseline=True), name=name)
    return replace(ledger, workflows=workflows, cells=cell_tables.OF_PROJECTS.read(connection, project, slug, damage))


def _ledger(facts: object) -> Ledger:
    return _READ_LEDGER.read({**parse(unsealed(facts)), "workflows": {}, "cells": Cells()})


def _workflow(name: str, facts: object) -> WorkflowLedger:
    return _READ_WORKFLOW.read(parse(unsealed(facts, name)))


def known(connection: Connection, project: int | None, workflow: str, keys: Collection[int]) -> dict[int, int]:
    """Those of the keys that are remembered of a workflow, and what `crediting` has of their credits."""
    return dict(connection.execute(_KNOWN, (project, workflow, json.dumps(list(keys)))))


def is_known(connection: Connection, project: int | None, key: int) -> bool:
    """Whether a run is remembered of any workflow of a project."""
    return bool(list(connection.execute(_IS_KNOWN, (project, key))))


def leave(connection: Connection, project: int, now: float) -> None:
    """Note that a project was taken out, and forget those that have been out for long."""
    connection.execute("UPDATE ledger SET left_at = ? WHERE project = ? AND left_at IS NULL", (now, project))
    connection.execute("DELETE FROM ledger WHERE left_at < ?", (now - KEEP_AWAY,))


def resume(connection: Connection, project: int, since: float) -> None:
    """Take up the ledger of a project that is there again, unless it was taken out before `since`: then forget it."""
    connection.execute("DELETE FROM ledger WHERE project = ? AND left_at < ?", (project, since))
    connection.execute("UPDATE ledger SET left_at = NULL WHERE project = ?", (project,))
