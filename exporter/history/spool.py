"""What was read so far: a file beside the state file, so that a call that ended goes on where it was.

Each page is committed with the token of the next one. The file can be deleted at any time; then all is read anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from exporter.errors import StartError, StateError
from exporter.knowledge.snapshots import Facts
from exporter.runs.reading import Run

VERSION = 2
OLDEST = 86_400.0
"""Seconds after which all is read anew: page tokens are not for ever, and runs have ended since."""

_SCHEMA = """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE project (slug TEXT PRIMARY KEY, facts TEXT NOT NULL, names TEXT NOT NULL);
    CREATE TABLE workflow (
        id INTEGER PRIMARY KEY, slug TEXT NOT NULL, name TEXT NOT NULL, began REAL, start INTEGER, next TEXT,
        done INTEGER NOT NULL DEFAULT 0, UNIQUE (slug, name));
    CREATE TABLE run (
        workflow INTEGER NOT NULL, key INTEGER NOT NULL, branch TEXT NOT NULL, status TEXT NOT NULL,
        created, stopped, duration, credits, approval INTEGER NOT NULL, ended,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID;
"""
_ADD = """INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workflow, key) DO UPDATE SET
    status = excluded.status, stopped = excluded.stopped, duration = excluded.duration, credits = excluded.credits,
    approval = excluded.approval, ended = excluded.ended
    WHERE run.status = '' AND excluded.status <> ''"""
_RUNS = """SELECT key, branch, status, created, stopped, duration, credits, approval
    FROM run WHERE workflow = ? ORDER BY ended, created, key"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a project: facts, and its workflows with the times of their last runs."""

    facts: Facts
    names: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Place:
    """How far one workflow is read.

    Reading `began` by CircleCI's clock; runs created since `start` are asked for. `next` is the token of the next page.
    """

    id: int
    slug: str
    name: str
    began: float | None
    start: int | None
    next: str | None
    done: int


class Spool:
    """The file; safe for threads. Use `open`. Methods raise StateError, and `error` says then what is wrong with it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises OSError or sqlite3.Error."""
        self.path, self._lock = path, threading.Lock()
        self.error = ""
        self._spent = False
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # who reads the state file may read this one
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            self._connection.execute("PRAGMA synchronous = NORMAL")
            if not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(cls, path: Path, *, server: str, days: int, now: float, shard: str = "0 of 1") -> tuple[Self, bool]:
        """The file, and whether it goes on from an earlier call.

        That was of the same server, days and shard, and is a day old at most. Raises StartError where there can be no
        such file.
        """
        wanted = {"version": VERSION, "server": server, "days": days, "shard": shard}
        try:
            spool = cls._kept(path, wanted, now)
            if spool is not None:
                return spool, True
            cls.remove(path)
            spool = cls(path)
            spool.put("asked", {"what": wanted, "began": now})
        except StateError as error:
            raise StartError(str(error)) from None
        except (OSError, sqlite3.Error) as error:
            raise StartError(f"{path}: {error}") from None
        return spool, False

    @classmethod
    def _kept(cls, path: Path, wanted: Mapping[str, object], now: float) -> Self | None:
        if not path.exists():
            return None
        try:
            spool = cls(path)
        except sqlite3.DatabaseError:
            return None
        with suppress(StateError, ValueError, KeyError, TypeError):
            asked = spool.get("asked")
            if asked["what"] == wanted and (spool.get("ready") or 0 <= now - asked["began"] < OLDEST):
                return spool
        spool._connection.close()
        return None

    @staticmethod
    def remove(path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, and remove it where it is of no more use."""
        known = 1
        with suppress(StateError), self._reading() as connection:
            (known,) = connection.execute("SELECT count(*) FROM project").fetchone()
        with self._lock:
            self._connection.close()
        if self._spent or not known:
            self.remove(self.path)

    def forget(self) -> None:
        """Remove the file when it is closed: what was read is in its place."""
        self._spent = True

    def get(self, key: str) -> Any:  # noqa: ANN401  JSON
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, value: object) -> None:
        """Keep a value of the whole; it is on the disk when this returns."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def known(self, slug: str) -> Known | None:
        with self._reading() as connection:
            row = connection.execute("SELECT facts, names FROM project WHERE slug = ?", (slug,)).fetchone()
        if row is None:
            return None
        facts = json.loads(row[0])
        return Known(Facts(**{**facts, "branches": tuple(facts["branches"])}), json.loads(row[1]))

    def learn(self, slug: str, known: Known, workflows: Iterable[str]) -> None:
        with self._transaction() as connection:
            row = (slug, json.dumps(asdict(known.facts)), json.dumps(dict(known.names)))
            connection.execute("INSERT OR REPLACE INTO project VALUES (?, ?, ?)", row)
            connection.executemany(
                "INSERT OR IGNORE INTO workflow (slug, name) VALUES (?, ?)", [(slug, name) for name in workflows]
            )

    def places(self, slug: str) -> list[Place]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT id, slug, name, began, start, next, done FROM workflow WHERE slug = ? ORDER BY name", (slug,)
            ).fetchall()
        return [Place(*columns) for columns in rows]

    def begin(self, place: Place, now: float, start: int) -> Place:
        """Note that a workflow is read from its newest run on; returns where it stands then."""
        with self._transaction() as connection:
            values = (now, start, place.id)
            connection.execute("UPDATE workflow SET began = ?, start = ?, next = NULL WHERE id = ?", values)
        return replace(place, began=now, start=start, next=None)

    def add(self, place: Place, runs: Iterable[tuple[Run, float]], following: str | None) -> None:
        """Keep the runs of a page, each with its end, and the token of the page after it: None after the last.

        A run that comes twice, on pages that shifted, stands once: as finished, if it ever was.
        """
        rows = [
            (
                *(place.id, run.key, run.branch, run.status, run.created),
                *(run.stopped_at, run.duration, run.credits, run.approval, ended),
            )
            for run, ended in runs
        ]
        with self._transaction() as connection:
            connection.executemany(_ADD, rows)
            connection.execute(
                "UPDATE workflow SET next = ?, done = ? WHERE id = ?", (following, following is None, place.id)
            )

    def runs(self, place: Place) -> Iterator[Run]:
        """The runs of a workflow in the order of their ends, one at a time."""
        with self._reading() as connection:
            rows = connection.execute(_RUNS, (place.id,))
            for key, branch, status, created, stopped, duration, used, approval in rows:
                whole = int(created // 1)
                yield Run(key, branch, whole, status, stopped, duration, used, bool(approval), created=created)

    def finished(self, place: Place, since: int) -> dict[int, int]:
        """The creation of each finished run created since, in whole seconds, by its key."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT key, created FROM run WHERE workflow = ? AND created >= ? AND status <> ''", (place.id, since)
            )
            return {key: int(created // 1) for key, created in rows}

    def count(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM run").fetchone()[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                self.error = f"{self.path}: {error}"
                raise StateError(self.error) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
