"""Keeps store, schedule and state file in step with the list of projects, at the start and at every change.

What stays the same is not touched.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from exporter.insights.collector import PIPELINES_POLL, PROJECT_POLL
from exporter.insights.collectors import PIPELINES, counts, polls
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.agenda import Job
from exporter.polling.schedule import first_poll
from exporter.process.clock_steps import ClockSteps
from exporter.process.organization_lists import OrganizationLists
from exporter.state import no_later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.config import Project
    from exporter.insights.questions import Question
    from exporter.polling.kind import Kind, Poll
    from exporter.polling.schedule import Schedule
    from exporter.process.engine import Engine
    from exporter.state import Stored


class Fleet:
    """The projects of this process."""

    def __init__(self, engine: Engine, schedule: Schedule) -> None:
        """Start without a project."""
        self._kinds, self._schedule, self._clocks = engine.kinds, schedule, engine.clocks
        self._log, self._steps = engine.log, ClockSteps(engine.clocks)
        self._store, self._state, self._failures = engine.store, engine.state, engine.failures
        self._labels = engine.labels
        self._telemetry, self._coverage = engine.telemetry, engine.coverage
        self._lists = OrganizationLists(engine, schedule, self._wake)
        self._lock = threading.Lock()

    def restore(self, projects: Iterable[Project]) -> None:
        """Show what the state file knows about these projects, before the first request."""
        wanted = {project.slug: project for project in projects}
        self._labels.reserve(wanted.values())
        stored = {found.slug: found for found in self._state.load(wanted)}
        found = [_restored(project, stored.get(slug)) for slug, project in wanted.items()]
        for snapshot, gone in found:
            if gone:
                self._state.commit(snapshot, (), gone)
            if not counts(snapshot.project.collectors):
                self._state.stop_counting(snapshot.project.slug)
        self._store.publish([snapshot for snapshot, _ in found], self._clocks.wall())
        # What was taken out while this process did not run: it begins anew if it ever comes back.
        self._state.forget([slug for slug in self._state.slugs() if self._store.get(slug) is None])

    def start(self) -> None:
        """Schedule what was restored: at once if it is due or new, else when its interval is over."""
        for snapshot, kind, job in self._schedule_all():
            if kind.due(snapshot) is not None and kind.lacks(snapshot):
                self._schedule.missing(job)
        self._lists.settle([snapshot.project for snapshot, _ in self._store.published.values()])

    def settle(self, projects: Iterable[Project]) -> None:
        """Poll and show exactly these projects from now on; what stays the same is not touched."""
        with self._lock:
            wanted = {project.slug: project for project in projects}
            self._labels.reserve(wanted.values())
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
            now = self._clocks.wall()
            changed = self._change([*wanted.values()], [Snapshot(project) for project in fresh], now)
            for index, project in enumerate(fresh):
                for _, job in self._jobs(project):
                    self._schedule.add(job, first_poll(index, len(fresh), now))
            for old, new in changed:
                self._reschedule(old, new)
            self._coverage.forget(gone)
            self._lists.settle(wanted.values())

    def expire(self) -> None:
        """Drop what has become stale since it was published, and follow steps of the system clock."""
        step, now = self._steps.look(), self._clocks.wall()
        if step:
            self._log.warning("system clock changed", seconds=round(step, 1))
            (self._catch_up if step > 0 else self._set_back)()
        for slug, (_, publication) in chain(self._store.published.items(), self._store.organizations.items()):
            if publication.expires_at is not None and publication.expires_at <= now:
                self._renew(slug, lambda snapshot: snapshot)

    def count_watched(self) -> None:
        """Show how many pipelines are watched."""
        lives = (snapshot.live for snapshot, _ in self._store.published.values())
        self._telemetry.watched.set(sum(len(live.pipelines) for live in lives if live is not None))

    def _wake(self, slugs: Iterable[str]) -> None:
        """Poll the pipelines of projects at once."""
        for slug in slugs:
            snapshot = self._store.get(slug)
            if snapshot is not None and PIPELINES in snapshot.project.collectors:
                job = self._job(slug, PIPELINES_POLL, self._kinds[PIPELINES_POLL])
                self._schedule.add(job, self._clocks.wall())

    def _set_back(self) -> None:
        """Move times that are now in the future to the present: their data would look fresh for too long."""
        now = self._clocks.wall()
        for slug in (*self._store.published, *self._store.organizations):
            self._renew(slug, lambda snapshot: no_later(snapshot, now))

    def _catch_up(self) -> None:
        """Poll what is due by the new time: the machine may have slept."""
        for _ in self._schedule_all():
            pass

    def _renew(self, slug: str, change: Callable[[Snapshot], Snapshot]) -> None:
        with self._store.lock(slug):
            snapshot = self._store.get(slug)
            if snapshot is not None:
                self._store.publish([change(snapshot)], self._clocks.wall())

    def _schedule_all(self) -> Iterator[tuple[Snapshot, Kind, Job]]:
        """Schedule every project by its newest polls, what is due spread a little; yields what was scheduled."""
        now = self._clocks.wall()
        snapshots = [snapshot for snapshot, _ in self._store.published.values()]
        for index, snapshot in enumerate(snapshots):
            soon = first_poll(index, len(snapshots), now)
            for kind, job in self._jobs(snapshot.project):
                due = kind.due(snapshot)
                latest = now + kind.interval(snapshot)  # the clock may have been wrong
                self._schedule.add(job, soon if due is None else max(soon, min(due, latest)))
                yield snapshot, kind, job

    def _change(
        self, projects: Iterable[Project], fresh: Iterable[Snapshot], now: float
    ) -> list[tuple[Snapshot, Snapshot]]:
        """Give projects that stay their new settings; returns each that changed, before and after.

        All is shown at once, and with the fresh ones: one project may have taken the name of another.
        """
        changed: list[tuple[Snapshot, Snapshot]] = []
        with ExitStack() as held:
            for project in projects:
                found = self._store.get(project.slug)
                if found is None or found.project == self._labels.of(project, found.facts):
                    continue
                held.enter_context(self._store.lock(project.slug))
                old = self._store.get(project.slug)
                if old is not None:
                    new, gone = plan.pruned(replace(old, project=project))
                    self._state.commit(new, (), gone)
                    if not counts(project.collectors):
                        self._state.stop_counting(project.slug)
                    if old.live is not None and new.live is None:
                        self._state.forget_live(project.slug)
                    changed.append((old, new))
            self._store.publish([*fresh, *(new for _, new in changed)], now)
        return changed

    def _reschedule(self, old: Snapshot, new: Snapshot) -> None:
        """Keep the times of what stays, ask at once for what is new."""
        before, now = {job.name for _, job in self._jobs(old.project)}, self._clocks.wall()
        for kind, job in self._jobs(new.project):
            interval = kind.interval(new)
            if job.name not in before or kind.interval(old) != interval:
                self._schedule.add(job, max(now, min(kind.due(new) or 0.0, now + interval)))
            if kind.lacks(new):
                self._schedule.missing(job)
            before.discard(job.name)
        for name in before:
            self._schedule.remove(name)

    def _complete(self, slug: str) -> None:
        """Ask at once for what a project has no answer to, as after its default branch was renamed."""
        snapshot = self._store.get(slug)
        if snapshot is not None:
            for kind, job in self._jobs(snapshot.project):
                if kind.lacks(snapshot):
                    self._schedule.missing(job)

    def _default_branch(self, slug: str) -> str:
        snapshot = self._store.get(slug)
        return snapshot.facts.default_branch if snapshot and snapshot.facts else ""

    def _jobs(self, project: Project) -> list[tuple[Kind, Job]]:
        """The kinds of polls of a project, each with its job."""
        kinds = {name: self._kinds[name] for name in polls(project.collectors)}
        return [(kind, self._job(project.slug, name, kind)) for name, kind in kinds.items()]

    def _job(self, slug: str, name: str, kind: Kind) -> Job:
        def interval() -> float | None:
            snapshot = self._store.get(slug)
            return kind.interval(snapshot) if snapshot else None

        def begin(missing_only: bool) -> Poll | None:
            poll = kind.begin(slug, missing_only=missing_only)
            return poll and _Watched(poll, lambda: self._default_branch(slug), lambda: self._complete(slug))

        return Job(_name(slug, name), kind.collector, interval, begin)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A poll that tells when one of its steps learns of a renamed default branch: other answers are missing then."""

    poll: Poll
    default_branch: Callable[[], str]
    renamed: Callable[[], None]

    def step(self) -> bool:
        """Do a step of the poll."""
        before = self.default_branch()
        more = self.poll.step()
        if before and self.default_branch() != before:
            self.renamed()
        return more


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
            live=stored.live,
        )
    )
