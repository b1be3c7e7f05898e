"""Who may use the database when: one thread at a time, and what could not be written is owed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from exporter.errors import StateError, Stopped
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Snapshot
from exporter.state import project_tables
from exporter.state.database import Connection, Database
from exporter.telemetry import Telemetry


class Access:
    """Access to what a database knows of one CircleCI server. Use `lock` and what it guards, or the contexts below.

    What gauges show may be lost: when it cannot be written, memory serves, and it is owed until the next write that
    succeeds. What counters show may not: then nothing is counted.
    """

    def __init__(self, database: Database, server: str, telemetry: Telemetry, wall: Callable[[], float]) -> None:
        self.database, self.server, self.wall = database, server, wall
        self.connection = database.connection
        self.lock = threading.Lock()
        self._telemetry = telemetry
        self._owed: dict[str, Snapshot | None] = {}
        self.notes: list[tuple[str, Callable[[Connection, int], None]]] = []
        self._up: float | None = None
        self._closed = False
        self.before: Callable[[], None] | None = None
        """What the next transaction does first, whatever else it is for."""

    def close(self) -> None:
        """Let go of the database. What a poll under way still learns is not kept."""
        with self.lock:
            self._closed = True
            self.database.close()

    def number(self, slug: str) -> int | None:
        return project_tables.number(self.connection, self.server, slug)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is written meanwhile, and whether CircleCI answers. Raises an error of the database's."""
        up = self._telemetry.up.value
        with self.database.transaction():
            if self.before is not None:
                self.before()
            yield
            if up != self._up:  # every shard of a shared database writes this row
                project_tables.write_up(self.connection, self.server, up)
        self._up, self.before = up, None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the connection. Raises Stopped, and StateError where the database does not serve."""
        with self.lock:
            if self._closed:
                raise Stopped
            try:
                yield
            except self.database.errors as error:
                self.database.failed(error)
                raise StateError(f"{self.database.name}: {' '.join(str(error).split())}") from None

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Commit what must not be lost, then what is owed. Raises Stopped or StateError; then nothing is written."""
        if not self.database.lasting:
            raise StateError(f"{self.database.name} could not be opened for writing")
        with self.reading():
            with self.transaction():
                yield
            self.settle()

    def commit(self, snapshot: Snapshot, changed: Iterable[Question], removed: Iterable[Question]) -> None:
        """Write what a poll changed, in one transaction, or owe the whole of it."""
        slug = snapshot.project.slug
        with self.lock:
            if self._closed or not self.database.keeps or not self.database.lasting:
                return
            whole = slug in self._owed
            self._owed[slug] = snapshot
            try:
                with self.transaction():
                    project_tables.write(self.connection, self.server, snapshot, None if whole else changed, removed)
            except self.database.errors as error:
                self.database.failed(error)
            else:
                del self._owed[slug]
                self.settle()

    def leave(self, slugs: dict[str, None]) -> None:
        """Delete projects but for their ledgers, now or after the next write that succeeds."""
        with self.lock:
            self._owed.update(slugs)
            if slugs and not self._closed:  # else a success of nothing would say that it can be written again
                self.settle()

    def note(self, slugs: Iterable[str], write: Callable[[Connection, int], None]) -> None:
        """Write something about projects, now or after the next write that succeeds."""
        with self.lock:
            added = [(slug, write) for slug in slugs]
            self.notes += added
            if added and not self._closed:
                self.settle()

    def settle(self) -> None:
        """Write what is owed since writing failed. Called with the lock held."""
        try:
            for slug, snapshot in list(self._owed.items()):
                with self.transaction():
                    if snapshot is None:
                        project_tables.leave(self.connection, self.server, slug, self.wall())
                    else:
                        project_tables.write(self.connection, self.server, snapshot, None, ())
                del self._owed[slug]
            if self.notes:
                with self.transaction():
                    for slug, write in self.notes:
                        project = self.number(slug)
                        if project is not None:
                            write(self.connection, project)
                self.notes.clear()
        except self.database.errors as error:
            self.database.failed(error)
            return
        self.database.succeeded()
