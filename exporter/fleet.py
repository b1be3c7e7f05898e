"""The projects of this process: which there are, and what is polled, shown and kept for each.

Projects come from the configuration file and from discovery; `settle` makes the store, the schedule and
the state file agree with the list, at the start and at every change, and touches nothing that stays.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter import plan
from exporter.schedule import Job, first_poll
from exporter.snapshots import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.config import Project
    from exporter.poller import Poller
    from exporter.schedule import Schedule
    from exporter.state import State, Stored
    from exporter.store import SnapshotStore


class Fleet:
    """Keeps store, schedule and state at one with the list of projects."""

    def __init__(
        self,
        store: SnapshotStore,
        state: State,
        schedule: Schedule,
        poller: Poller,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start without a project."""
        self._store, self._state, self._schedule, self._poller, self._wall = store, state, schedule, poller, wall
        self._lock = threading.Lock()

    def restore(self, projects: Iterable[Project]) -> None:
        """Show what the state file knows of these projects, before the first request is made."""
        stored = {found.slug: found for found in self._state.load()}
        now = self._wall()
        self._store.publish([_restored(project, stored.get(project.slug)) for project in projects], now)

    def start(self) -> None:
        """Schedule what was restored: at once what is missing or due, the rest when its interval is over."""
        now = self._wall()
        snapshots = [snapshot for snapshot, _ in self._store.published.values()]
        for index, snapshot in enumerate(snapshots):
            self._schedule.add(self._job(snapshot.project.slug), _due(snapshot, first_poll(index, len(snapshots), now)))

    def settle(self, projects: Iterable[Project]) -> None:
        """Poll and show exactly these projects from now on."""
        with self._lock:
            wanted = {project.slug: project for project in projects}
            gone = self._store.published.keys() - wanted.keys()
            with ExitStack() as held:  # a poll that is about to publish must find its project there, or gone
                for slug in gone:
                    self._schedule.remove(slug)
                    held.enter_context(self._store.lock(slug))
                self._store.withdraw(gone)
                self._state.forget(gone)
            fresh = [project for slug, project in wanted.items() if slug not in self._store.published]
            now = self._wall()
            self._store.publish([Snapshot(project) for project in fresh], now)
            for index, project in enumerate(fresh):
                self._schedule.add(self._job(project.slug), first_poll(index, len(fresh), now))
            for project in wanted.values():
                self._change(project)

    def expire(self) -> None:
        """Show no longer what has become too old since it was published."""
        now = self._wall()
        for slug, (_, publication) in self._store.published.items():
            if publication.expires_at is not None and publication.expires_at <= now:
                with self._store.lock(slug):
                    snapshot = self._store.get(slug)
                    if snapshot is not None:
                        self._store.publish([snapshot], now)

    def _change(self, project: Project) -> None:
        """Give a project that stays its new settings."""
        with self._store.lock(project.slug):
            old = self._store.get(project.slug)
            if old is None or old.project == project:
                return
            snapshot, gone = plan.pruned(replace(old, project=project))
            self._state.commit(snapshot, (), gone)
            self._store.publish([snapshot], self._wall())
        job = self._job(project.slug)
        if old.project.interval != project.interval and snapshot.polled_at is not None:
            self._schedule.add(job, max(self._wall(), snapshot.polled_at + project.interval))
        if plan.missing(snapshot):
            self._schedule.missing(job)

    def _job(self, slug: str) -> Job:
        def interval() -> float | None:
            snapshot = self._store.get(slug)
            return snapshot.project.interval if snapshot else None

        return Job(
            slug, "workflows", interval, lambda missing_only: self._poller.begin(slug, missing_only=missing_only)
        )


def _restored(project: Project, stored: Stored | None) -> Snapshot:
    """What is known of a project from before, as far as it is still asked."""
    if stored is None:
        return Snapshot(project)
    snapshot, _ = plan.pruned(
        Snapshot(project, stored.facts, stored.parts, stored.outcomes, polled_at=stored.polled_at)
    )
    return snapshot


def _due(snapshot: Snapshot, soon: float) -> float:
    """When a project is polled next: an interval after it last was, or soon when something is missing."""
    if snapshot.polled_at is None or plan.missing(snapshot):
        return soon
    return max(soon, snapshot.polled_at + snapshot.project.interval)
