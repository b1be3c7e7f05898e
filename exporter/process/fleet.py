"""The projects of this process: which there are, and what is polled, shown and kept for each.

Projects come from the configuration file and from discovery; `settle` makes the store, the schedule and
the state file agree with the list, at the start and at every change, and touches nothing that stays.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from exporter.insights.collectors import PROJECT_POLL, polls
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.agenda import Job
from exporter.polling.schedule import first_poll

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config import Project
    from exporter.insights.questions import Question
    from exporter.polling.kind import Kind, Poll
    from exporter.polling.schedule import Schedule
    from exporter.process.engine import Engine
    from exporter.state import Stored


class Fleet:
    """Keeps store, schedule and state at one with the list of projects."""

    def __init__(self, engine: Engine, schedule: Schedule) -> None:
        """Start without a project."""
        self._kinds, self._schedule, self._wall = engine.kinds, schedule, engine.clocks.wall
        self._store, self._state, self._failures = engine.store, engine.state, engine.failures
        self._lock = threading.Lock()

    def restore(self, projects: Iterable[Project]) -> None:
        """Show what the state file knows of these projects, before the first request is made."""
        wanted = {project.slug: project for project in projects}
        stored = {found.slug: found for found in self._state.load(wanted)}
        found = [_restored(project, stored.get(slug)) for slug, project in wanted.items()]
        for snapshot, gone in found:
            if gone:
                self._state.commit(snapshot, (), gone)
        self._store.publish([snapshot for snapshot, _ in found], self._wall())
        # What was taken out while this process did not run: it begins anew if it ever comes back.
        self._state.forget([slug for slug in self._state.slugs() if self._store.get(slug) is None])

    def start(self) -> None:
        """Schedule what was restored: at once what is due or newly asked, the rest when its interval is over."""
        now = self._wall()
        snapshots = [snapshot for snapshot, _ in self._store.published.values()]
        for index, snapshot in enumerate(snapshots):
            soon = first_poll(index, len(snapshots), now)
            for kind, job in self._jobs(snapshot.project):
                due = kind.due(snapshot)
                latest = now + kind.interval(snapshot)  # the clock may have been wrong
                self._schedule.add(job, soon if due is None else max(soon, min(due, latest)))
                if due is not None and kind.lacks(snapshot):
                    self._schedule.missing(job)

    def settle(self, projects: Iterable[Project]) -> None:
        """Poll and show exactly these projects from now on."""
        with self._lock:
            wanted = {project.slug: project for project in projects}
            gone = self._store.published.keys() - wanted.keys()
            with ExitStack() as held:  # a poll that is about to publish must find its project there, or gone
                for slug in gone:
                    for kind in self._kinds:
                        self._schedule.remove(_name(slug, kind))
                    held.enter_context(self._store.lock(slug))
                self._store.withdraw(gone)
                self._state.forget(gone)
                self._failures.forget(gone)
            fresh = [project for slug, project in wanted.items() if slug not in self._store.published]
            now = self._wall()
            self._store.publish([Snapshot(project) for project in fresh], now)
            for index, project in enumerate(fresh):
                for _, job in self._jobs(project):
                    self._schedule.add(job, first_poll(index, len(fresh), now))
            for project in wanted.values():
                self._change(project)

    def expire(self) -> None:
        """Show no longer what has become too old since it was published."""
        now = self._wall()
        for slug, (_, publication) in chain(self._store.published.items(), self._store.organizations.items()):
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
        self._reschedule(old, snapshot)

    def _reschedule(self, old: Snapshot, new: Snapshot) -> None:
        """Keep the times of what stays, ask at once for what is new."""
        before = {job.name for _, job in self._jobs(old.project)}
        for kind, job in self._jobs(new.project):
            if job.name not in before or kind.interval(old) != kind.interval(new):
                self._schedule.add(job, max(self._wall(), kind.due(new) or 0.0))
            if kind.lacks(new):
                self._schedule.missing(job)
            before.discard(job.name)
        for name in before:
            self._schedule.remove(name)

    def _jobs(self, project: Project) -> list[tuple[Kind, Job]]:
        """What is polled for a project, each kind with its job."""
        kinds = {name: self._kinds[name] for name in polls(project.collectors)}
        return [(kind, self._job(project.slug, name, kind)) for name, kind in kinds.items()]

    def _job(self, slug: str, name: str, kind: Kind) -> Job:
        def interval() -> float | None:
            snapshot = self._store.get(slug)
            return kind.interval(snapshot) if snapshot else None

        def begin(missing_only: bool) -> Poll | None:
            return kind.begin(slug, missing_only=missing_only)

        return Job(_name(slug, name), kind.collector, interval, begin)


def _name(slug: str, kind: str) -> str:
    """The name of a job: no slug has a space."""
    return slug if kind == PROJECT_POLL else f"{slug} {kind}"


def _restored(project: Project, stored: Stored | None) -> tuple[Snapshot, list[Question]]:
    """What is known of a project from before, as far as it is still asked, and what is not."""
    if stored is None:
        return Snapshot(project), []
    return plan.pruned(
        Snapshot(
            project,
            stored.facts,
            stored.parts,
            stored.outcomes,
            polled_at=stored.polled_at,
            ledger=stored.ledger,
        )
    )
