"""Projects and their parts in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.insights.collectors import COLLECTORS
from exporter.insights.questions import Question
from exporter.knowledge.discovered_projects import SIGHTINGS
from exporter.knowledge.packing import verify
from exporter.knowledge.snapshots import Part, Snapshot
from exporter.state import live_tables, records, run_tables
from exporter.state.damage import Damage
from exporter.state.database import Connection, single
from exporter.state.documents import document, sealed, unsealed
from exporter.state.records import Stored

SCHEMA = (
    "CREATE TABLE server (url TEXT PRIMARY KEY, up INTEGER NOT NULL)",
    """CREATE TABLE project (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        slug TEXT NOT NULL,
        facts TEXT,
        outcomes TEXT NOT NULL,
        polled_at REAL,
        UNIQUE (server, slug))""",
    """CREATE TABLE part (
        project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
        question TEXT NOT NULL,
        checked_at REAL NOT NULL,
        answered_at REAL NOT NULL,
        basis TEXT NOT NULL,
        follow_ups INTEGER NOT NULL,
        answer BLOB NOT NULL,
        previous BLOB NOT NULL,
        UNIQUE (project, question))""",
)

_READ = "SELECT id, facts, outcomes, polled_at FROM project WHERE server = ? AND slug = ?"
_PARTS = """SELECT rowid, question, answer, checked_at, answered_at, previous, basis, follow_ups
    FROM part WHERE project = ?"""
_DELETE_PART = "DELETE FROM part WHERE project = ? AND rowid = ?"
_UP = "INSERT INTO server (url, up) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET up = excluded.up"
_PROJECT = """INSERT INTO project (server, slug, facts, outcomes, polled_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (server, slug)
    DO UPDATE SET facts = excluded.facts, outcomes = excluded.outcomes, polled_at = excluded.polled_at
    RETURNING id"""
# An update leaves the pages as they are on which nothing changed: mostly only the times of an answer do.
_PART = """INSERT INTO part (project, question, checked_at, answered_at, basis, follow_ups, answer, previous)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (project, question)
    DO UPDATE SET checked_at = excluded.checked_at, answered_at = excluded.answered_at, basis = excluded.basis,
    follow_ups = excluded.follow_ups, answer = excluded.answer, previous = excluded.previous"""


def read_up(connection: Connection, server: str) -> bool | None:
    """Whether the server answered the newest request; None before the first one."""
    row = single(connection.execute("SELECT up FROM server WHERE url = ?", (server,)))
    if row is None:
        return None
    if row[0] not in {0, 1}:
        raise ValueError
    return bool(row[0])


def write_up(connection: Connection, server: str, up: float | None) -> None:
    """Keep whether the server answered the newest request."""
    if up is not None:
        connection.execute(_UP, (server, int(up)))


def number(connection: Connection, server: str, slug: str) -> int | None:
    """A project's number; None when nothing is known of it."""
    row = single(connection.execute("SELECT id FROM project WHERE server = ? AND slug = ?", (server, slug)))
    return row and int(row[0])


def slugs(connection: Connection, server: str) -> list[str]:
    """The projects of which something is known."""
    found = (slug for (slug,) in connection.execute("SELECT slug FROM project WHERE server = ?", (server,)))
    return [slug for slug in found if isinstance(slug, str) and slug.isprintable()]


def read(connection: Connection, server: str, slug: str, damage: Damage) -> Stored | None:
    """What is known of a project, without what is damaged of it; that is deleted, or written anew by the next poll."""
    row = single(connection.execute(_READ, (server, slug)))
    if row is None:
        return None
    number, facts, outcomes, polled_at = row
    ledger = run_tables.read(connection, number, slug, damage)
    return records.Stored(
        slug,
        damage.guard("facts", slug, lambda: records.read_facts(unsealed(facts)), None),
        dict(damage.rows("part", slug, connection, _PARTS, _DELETE_PART, number, _part)),
        damage.guard("outcomes", slug, lambda: records.read_outcomes(unsealed(outcomes)), {}),
        damage.guard("project", slug, lambda: None if polled_at is None else records.moment(polled_at), None),
        ledger,
        live_tables.read(connection, number, slug, damage) if ledger else None,
    )


def _part(  # noqa: PLR0917  the columns
    _row: object,
    stored: object,
    rows: object,
    checked_at: object,
    answered_at: object,
    previous: object,
    basis: object,
    follow_ups: object,
) -> tuple[Question, Part]:
    question = records.read_question(stored)
    if not isinstance(rows, bytes) or not isinstance(previous, bytes) or not isinstance(follow_ups, int):
        raise TypeError
    collector = COLLECTORS.get(question.collector)  # another version may have others
    tables = (SIGHTINGS, *(collector.tables if collector else ()))
    for each in (rows, previous) if previous else (rows,):
        verify(each, tables)
    times = (records.moment(checked_at), records.moment(answered_at))
    return question, Part(rows, *times, previous, records.label(basis), follow_ups)


def write(
    connection: Connection,
    server: str,
    snapshot: Snapshot,
    changed: Iterable[Question] | None,
    removed: Iterable[Question],
) -> None:
    """Write a project and its changed parts, or with None all of its parts and no others."""
    project = write_project(connection, server, snapshot)
    if changed is None:
        changed = snapshot.parts
        connection.execute("DELETE FROM part WHERE project = ?", (project,))
    connection.executemany(
        "DELETE FROM part WHERE project = ? AND question = ?",
        [(project, records.write_question(question)) for question in removed],
    )
    rows = []
    for question in changed:
        part = snapshot.parts[question]
        key, times = records.write_question(question), (part.checked_at, part.answered_at)
        rows.append((project, key, *times, part.basis, part.follow_ups, part.rows, part.previous))
    connection.executemany(_PART, rows)


def write_project(connection: Connection, server: str, snapshot: Snapshot) -> int:
    """Write a project's own row; returns its number."""
    slug = snapshot.project.slug
    facts = snapshot.facts and sealed(document(snapshot.facts))
    columns = (server, slug, facts, sealed(document(snapshot.outcomes)))
    [(number,)] = connection.execute(_PROJECT, (*columns, snapshot.polled_at))
    return int(number)


def leave(connection: Connection, server: str, slug: str, now: float) -> None:
    """Delete a project but for its ledger, if it has one."""
    project = number(connection, server, slug)
    if project is None:
        return
    run_tables.leave(connection, project, now)
    connection.execute("DELETE FROM part WHERE project = ?", (project,))
    connection.execute("UPDATE project SET facts = NULL, outcomes = '{}', polled_at = NULL WHERE id = ?", (project,))
    connection.execute("DELETE FROM project WHERE id = ? AND id NOT IN (SELECT project FROM ledger)", (project,))
