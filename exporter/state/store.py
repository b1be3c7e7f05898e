"""What is kept across restarts: written after each poll, before it is shown; read once, at the start.

One connection serves all threads, one at a time. No scrape ever comes here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from structlog.stdlib import BoundLogger

from exporter.counting.book import Changes
from exporter.counting.ledger import Ledger
from exporter.errors import StateError
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Snapshot
from exporter.runs import whole
from exporter.runs.hints import Hint
from exporter.runs.live import Live
from exporter.state import hint_tables, live_tables, past, project_tables, run_tables
from exporter.state.access import Access
from exporter.state.damage import Damage
from exporter.state.database import Database
from exporter.state.due_jobs import DueJobs
from exporter.state.file import StateFile
from exporter.state.older import Older
from exporter.state.records import Stored
from exporter.state.usage_store import UsageStore
from exporter.telemetry import Telemetry

NO_HINTS: Mapping[str, int] = MappingProxyType({})


class StateStore:
    """The projects of one CircleCI server, in a database: the state file or, without one, memory.

    What gauges show may be lost: values are served from memory while it cannot be written. What counters show may not:
    a commit of runs that fails raises StateError, and nothing of it is counted. `lasting` is False when it could not
    be opened for writing at all.
    """

    def __init__(
        self,
        database: Database,
        server: str,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        wall: Callable[[], float] = time.time,
        mine: Callable[[str], bool] = lambda _slug: True,
        patience: float = 0.0,
    ) -> None:
        """Use `open` for a file or memory. Raises StateError where the counters of a shared database are too old.

        Of a database that is shared, `mine` are the slugs of this process, and "" stands for what one of all shows; a
        ledger is resumed after up to `patience` seconds at least.
        """
        self._mine, self._patience = mine, patience
        self._wall, self._server = wall, server
        self._database, self._connection = database, database.connection
        self._telemetry, self._log = telemetry, log
        self._access = Access(database, server, telemetry, wall)
        self._damage = Damage(telemetry, log, database)
        self.usage, self.due = UsageStore(self._access, self._damage), DueJobs(self._access)
        if database.is_older:
            Older(self._access, telemetry, log, mine).begin_again()

    @classmethod
    def open(
        cls,
        path: Path | None,
        server: str,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        wall: Callable[[], float] = time.time,
    ) -> StateStore:
        """Open the state of the server at an API URL; a path of None keeps it in memory.

        Raises StartError when another process holds the file, when it is of a newer version, or has no folder.
        """
        return cls(StateFile(path, telemetry, log), server, telemetry, log, wall=wall)

    @property
    def lasting(self) -> bool:
        return self._database.lasting

    def close(self) -> None:
        """Let go of the database. What a poll under way still learns is not kept."""
        self._access.close()

    def verify(self) -> None:
        """Raise StateError unless a commit can be made on top of what was read."""
        with self._access.counting():
            pass

    def show_up(self) -> None:
        """Show again whether the newest request of the process before was answered. Raises StateError."""
        with self._access.lock:
            up = self._damage.guard("server", "", lambda: project_tables.read_up(self._connection, self._server), None)
        if up is not None:
            self._telemetry.api_up(up)

    def slugs(self) -> list[str]:
        """The projects and organizations of this process of which something is kept."""
        with self._access.lock:
            known = self._damage.guard("server", "", lambda: project_tables.slugs(self._connection, self._server), [])
        return [slug for slug in known if self._mine(slug)]

    def load(self, slugs: Iterable[str] | None = None) -> Iterator[Stored]:
        """Some or all projects of this server.

        What cannot be read is counted and left out: it is no worse than if it had never been kept.
        """
        for slug in self.slugs() if slugs is None else slugs:
            with self._access.lock:
                stored = self._damage.guard("project", slug, partial(self._read, slug), None)
            if stored is not None:
                yield stored

    def _read(self, slug: str) -> Stored | None:
        with self._database.view():
            stored = project_tables.read(self._connection, self._server, slug, self._damage)
        if stored and self._access.before:  # what was counted is to be forgotten
            stored = replace(stored, ledger=None, live=None)
        return stored and past.no_later(stored, self._wall())

    def commit(self, snapshot: Snapshot, changed: Iterable[Question], removed: Iterable[Question]) -> None:
        """Write what a poll changed, in one transaction.

        It does not fail: what could not be written is written, wholly, after the next write that succeeds.
        """
        self._access.commit(snapshot, changed, removed)

    def forget(self, slugs: Iterable[str]) -> None:
        """Delete projects that are no longer in the configuration. It fails no more than `commit` does.

        Their ledgers stay for a while: what is there again after less than a poll's interval goes on counting.
        """
        self._access.leave(dict.fromkeys(slugs))

    def stop_counting(self, *slugs: str) -> None:
        """Note that the runs of projects are no longer counted. It fails no more than `commit` does.

        The same holds as for a project that was taken out: `resume` goes on only after a short while.
        """
        self._access.note(slugs, partial(run_tables.leave, now=self._wall()))

    def known(self, slug: str, workflow: str, keys: Collection[int]) -> dict[int, int]:
        """Those of some runs' keys that are remembered of a workflow, and whether their credits have come.

        Raises StateError.
        """
        with self._access.reading():
            return run_tables.known(self._connection, self._access.number(slug), workflow, keys)

    def is_known(self, slug: str, key: int) -> bool:
        """Whether a run is remembered of any workflow of a project, by its key. Raises StateError."""
        with self._access.reading():
            return run_tables.is_known(self._connection, self._access.number(slug), key)

    def known_jobs(self, slug: str, keys: Collection[int]) -> set[int]:
        """Those of some jobs' keys that are remembered of a project. Raises StateError."""
        with self._access.reading():
            return live_tables.known_jobs(self._connection, self._access.number(slug), keys)

    def resume(self, slug: str, away: float) -> tuple[Ledger | None, Live | None]:
        """What is counted and known of the pipelines of a project that was not there for up to so many seconds.

        After more, or without one, it is None, and nothing is remembered of the project's runs. What has not risen yet
        is shown at 0 from now on. Raises StateError.
        """
        with self._access.reading():
            project = self._access.number(slug)
            if project is None:
                return None, None
            if self._access.notes:
                self._access.settle()  # that it was switched off may not have been written yet
            now = self._wall()
            with self._access.transaction():
                run_tables.resume(self._connection, project, now - max(away, self._patience))
            with self._database.view():
                ledger = run_tables.read(self._connection, project, slug, self._damage)
                live = live_tables.read(self._connection, project, slug, self._damage) if ledger else None
            return ledger and past.past_ledger(ledger, now).shown_anew(now), live and past.past_live(live, now)

    def begin_counting(self, counting: Iterable[tuple[Snapshot, Changes]]) -> None:
        """Write ledgers and remembered runs in place of what was counted of these projects, in one transaction.

        Raises StateError; then nothing is written.
        """
        with self._access.counting():
            for snapshot, changes in counting:
                project = project_tables.write_project(self._connection, self._server, snapshot)
                run_tables.begin_anew(self._connection, project)
                if snapshot.ledger is not None:
                    run_tables.write(self._connection, project, snapshot.ledger, changes, self._wall())

    def commit_counts(self, snapshot: Snapshot, changes: Changes, followed: Mapping[str, int] = NO_HINTS) -> None:
        """Write a snapshot with what has changed of its ledger and live side, in one transaction.

        The hints that were `followed`, by their ids in the versions that were read, go with it. Raises StateError;
        then nothing is written.
        """
        ledger, live, now = snapshot.ledger, snapshot.live, self._wall()
        if ledger is None:
            raise StateError("the project counts nothing")
        with self._access.counting():
            project = project_tables.write_project(self._connection, self._server, snapshot)
            run_tables.write(self._connection, project, ledger, changes, now)
            if live is not None:
                # Times of jobs are CircleCI's, from which this machine's may differ by days.
                watched = [run.created_at for each in live.pipelines.values() for run in each.runs]
                oldest = int(min([live.floor - whole.KEPT_BEYOND, *watched]))
                live_tables.write(self._connection, project, live, changes, oldest)
            hint_tables.delete(self._connection, self._server, followed)

    def forget_live(self, slug: str) -> None:
        """Forget what is known of a project's pipelines; its ledger stays. It fails no more than `commit` does."""
        self._access.note((slug,), live_tables.forget)

    def hints(self) -> list[tuple[Hint, int]]:
        """Every hint that waits on this server for a project of this process, with its version."""
        with self._access.lock:
            reading = partial(hint_tables.read, self._connection, self._server, self._damage)
            waiting = self._damage.guard("hint", "", lambda: list(reading()), [])
        return [each for each in waiting if self._mine(each[0].slug)]

    def keep_hint(self, hint: Hint, after: int) -> int:
        """Write a hint in the version after that one, which it returns; of those with the same id the newest stays.

        Raises StateError or Stopped.
        """
        with self._access.counting():
            version = self._database.version(after)
            hint_tables.write(self._connection, self._server, hint, version)
        return version

    def drop_hints(self, followed: Mapping[str, int]) -> None:
        """Delete hints by their ids, unless a newer version has come. Raises StateError or Stopped."""
        with self._access.counting():
            hint_tables.delete(self._connection, self._server, followed)
