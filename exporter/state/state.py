"""What is kept across restarts: written after each poll, before it is shown; read once, at the start.

One connection serves all threads, one at a time. No scrape ever comes here.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter.snapshots import Part
from exporter.state import opening, records
from exporter.state.records import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from exporter.questions import Question
    from exporter.snapshots import Snapshot
    from exporter.telemetry import Telemetry

_PROJECT = """INSERT INTO project (server, slug, facts, outcomes, polled_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (server, slug)
    DO UPDATE SET facts = excluded.facts, outcomes = excluded.outcomes, polled_at = excluded.polled_at"""
_PART = """INSERT OR REPLACE INTO part (project, question, checked_at, answered_at, basis, follow_ups, answer, previous)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


class State:
    """The projects of one CircleCI server, in the state file or, without one, in memory.

    What gauges show may be lost: when the file cannot be written, memory serves until it can. `lasting`
    is False when the file could not be opened for writing at all.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        server: str,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        in_file: bool,
        lasting: bool,
    ) -> None:
        """Use `open` instead."""
        self.lasting = lasting
        self._connection, self._server, self._telemetry, self._log = connection, server, telemetry, log
        self._in_file = in_file
        self._lock = threading.Lock()
        self._owed: dict[str, Snapshot | None] = {}
        self._failing = not lasting
        telemetry.state_writable.set(float(lasting))

    @classmethod
    def open(cls, path: Path | None, server: str, telemetry: Telemetry, log: BoundLogger) -> State:
        """Open the state of the server at an API URL; a path of None keeps it in memory.

        Raises StartError when another process holds the file, when it is of a newer version, or has no folder.
        """
        connection, lasting = opening.connect(path, telemetry, log)
        return cls(connection, server, telemetry, log, in_file=path is not None, lasting=lasting)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def load(self) -> Iterator[Stored]:
        """All projects of this server."""
        with self._lock:
            projects = self._connection.execute(
                "SELECT id, slug, facts, outcomes, polled_at FROM project WHERE server = ?", (self._server,)
            ).fetchall()
        for number, slug, facts, outcomes, polled_at in projects:
            yield Stored(
                slug, records.read_facts(facts), self._parts(number), records.read_outcomes(outcomes), polled_at
            )

    def _parts(self, project: int) -> dict[Question, Part]:
        with self._lock:
            rows = self._connection.execute(
                """SELECT question, answer, checked_at, answered_at, previous, basis, follow_ups
                FROM part WHERE project = ?""",
                (project,),
            ).fetchall()
        return {records.read_question(question): Part(*part) for question, *part in rows}

    def commit(self, snapshot: Snapshot, changed: Iterable[Question], removed: Iterable[Question]) -> None:
        """Write what a poll changed, in one transaction.

        It does not fail: what could not be written is written, wholly, after the next write that succeeds.
        """
        if not (self._in_file and self.lasting):
            return
        slug = snapshot.project.slug
        with self._lock:
            whole = slug in self._owed
            self._owed[slug] = snapshot
            try:
                with self._transaction():
                    self._write(snapshot, None if whole else changed, removed)
                del self._owed[slug]
                self._settle()
            except sqlite3.Error as error:
                self._failed(error)

    def forget(self, slugs: Iterable[str]) -> None:
        """Delete projects that are no longer in the configuration. It fails no more than `commit` does."""
        with self._lock:
            self._owed.update(dict.fromkeys(slugs))
            try:
                self._settle()
            except sqlite3.Error as error:
                self._failed(error)

    def _settle(self) -> None:
        """Write what is owed since writing failed."""
        for slug, snapshot in list(self._owed.items()):
            with self._transaction():
                if snapshot is None:
                    self._connection.execute("DELETE FROM project WHERE server = ? AND slug = ?", (self._server, slug))
                else:
                    self._write(snapshot, None, ())
            del self._owed[slug]
        if self._failing and self.lasting:
            self._failing = False
            self._telemetry.state_writable.set(1)
            self._log.info("the state file can be written again")

    def _failed(self, error: sqlite3.Error) -> None:
        self._telemetry.state_writable.set(0)
        if not self._failing:
            self._failing = True
            self._log.error("the state file cannot be written; memory serves until it can", error=str(error))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has ended some that failed
                self._connection.execute("ROLLBACK")
            raise

    def _write(self, snapshot: Snapshot, changed: Iterable[Question] | None, removed: Iterable[Question]) -> None:
        """Write a project and its changed parts, or all of its parts."""
        project = self._project(snapshot)
        if changed is None:
            changed = snapshot.parts
            self._connection.execute("DELETE FROM part WHERE project = ?", (project,))
        self._connection.executemany(
            "DELETE FROM part WHERE project = ? AND question = ?",
            [(project, records.write_question(question)) for question in removed],
        )
        self._connection.executemany(
            _PART, [_columns(project, question, snapshot.parts[question]) for question in changed]
        )

    def _project(self, snapshot: Snapshot) -> int:
        """Write a project's own row; returns its number."""
        slug = snapshot.project.slug
        facts, outcomes = records.write_facts(snapshot.facts), records.write_outcomes(snapshot.outcomes)
        self._connection.execute(_PROJECT, (self._server, slug, facts, outcomes, snapshot.polled_at))
        query = "SELECT id FROM project WHERE server = ? AND slug = ?"
        number: int = self._connection.execute(query, (self._server, slug)).fetchone()[0]
        return number


def _columns(project: int, question: Question, part: Part) -> tuple[object, ...]:
    return (
        project,
        records.write_question(question),
        part.checked_at,
        part.answered_at,
        part.basis,
        part.follow_ups,
        part.rows,
        part.previous,
    )
