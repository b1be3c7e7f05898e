"""Keeps store, schedule and state file in step with the list of projects, at the start and at every change.

What stays the same is not touched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain

from exporter.config import Project
from exporter.insights.collector import PIPELINES_POLL
from exporter.insights.collectors import PIPELINES, counts
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.agenda import Job
from exporter.polling.kind import Kind
from exporter.polling.schedule import Schedule, first_poll
from exporter.process.clock_steps import ClockSteps
from exporter.process.engine import Engine
from exporter.process.jobs import OrganizationLists, ProjectJobs, job_name
from exporter.runs.live import WatchedPipeline
from exporter.runs.watching import is_set_aside
from exporter.state import Stored, no_later


class Fleet:
    """The projects of this process."""

    def __init__(self, engine: Engine, schedule: Schedule) -> None:
        self._schedule, self._clocks = schedule, engine.clocks
        self._log, self._steps = engine.log, ClockSteps(engine.clocks)
        self._store, self._state, self._forget = engine.store, engine.state, engine.forget
        self._labels = engine.labels
        self._jobs = ProjectJobs(engine.kinds, engine.store, self._complete)
        self._telemetry, self._pace = engine.telemetry, engine.pace
        self._lists = OrganizationLists(engine, schedule, self._wake)
        self._inbox = engine.inbox
        self._inbox.arrived = self._hurry
        self._set_aside: dict[str, tuple[Mapping[str, WatchedPipeline], int]] = {}
        """Of each project its pipelines when they were last counted, and how many of them are set aside."""
        self._lacking: set[str] = set()
        """Projects of which something had no answer when they were restored."""
        self._lock = threading.Lock()

    def restore(self, projects: Iterable[Project]) -> None:
        """Show what the state file knows about these projects, before the first request."""
        wanted = {project.slug: project for project in projects}
        self._labels.reserve(wanted.values())
        self._store.publish(self._restored(wanted), self._clocks.wall())
        self._state.stop_counting(*[slug for slug, each in wanted.items() if not counts(each.collectors)])
        self._show_anew()
        self._inbox.restore([slug for slug, project in wanted.items() if PIPELINES in project.collectors])
        # What was taken out while this process did not run: it begins anew if it ever comes back.
        self._state.forget([slug for slug in self._state.slugs() if self._store.get(slug) is None])

    def _restored(self, wanted: Mapping[str, Project]) -> Iterator[Snapshot]:
        """What is known of projects, each read when it is about to be shown; what is no longer asked is deleted."""
        known = iter(self._state.load(wanted))
        stored = next(known, None)
        for slug, project in wanted.items():
            found = stored if stored is not None and stored.slug == slug else None
            snapshot, gone, lacks = _restored(project, found)
            if gone:
                self._state.commit(snapshot, (), gone)
            if lacks:
                self._lacking.add(slug)
            yield snapshot
            if found is not None:
                stored = next(known, None)

    def _show_anew(self) -> None:
        """Count from now for how long series are shown at 0 before they rise."""
        now = self._clocks.wall()
        counted = []
        for snapshot, _ in self._store.published.values():
            if snapshot.ledger is not None:
                counted.append(replace(snapshot, ledger=snapshot.ledger.shown_anew(now)))
        self._store.keep(*counted)

    def start(self) -> None:
        """Schedule what was restored: at once if it is due or new, else when its interval is over."""
        for snapshot, kind, job in self._schedule_all():
            lacking = snapshot.project.slug in self._lacking  # a fleet that lacks nothing is not looked through again
            if lacking and kind.due(snapshot) is not None and kind.lacks(snapshot):
                self._schedule.missing(job)
        self._lists.settle([snapshot.project for snapshot, _ in self._store.published.values()])

    def settle(self, projects: Iterable[Project]) -> None:
        """Poll and show exactly these projects from now on; what stays the same is not touched."""
        with self._lock:
            wanted = {project.slug: project for project in projects}
            self._labels.reserve(wanted.values())
            gone = self._store.published.keys() - wanted.keys()
            for name in chain.from_iterable(map(self._jobs.names, gone)):
                self._schedule.remove(name)
            self._forget(gone)
            fresh = [project for slug, project in wanted.items() if slug not in self._store.published]
            now = self._clocks.wall()
            changed = self._change([*wanted.values()], [Snapshot(project) for project in fresh], now)
            for index, project in enumerate(fresh):
                for _, job in self._jobs.of(project):
                    self._schedule.add(job, first_poll(index, len(fresh), now))
            for old, new in changed:
                self._reschedule(old, new)
            unwatched = [*gone, *(slug for slug, each in wanted.items() if PIPELINES not in each.collectors)]
            self._pace.forget(unwatched)
            self._inbox.forget(unwatched)
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
        """Show how many pipelines are watched, and how late their looks are."""
        counted, before = dict[str, tuple[Mapping[str, WatchedPipeline], int]](), self._set_aside
        for slug, (snapshot, _) in self._store.published.items():
            if snapshot.live is not None:
                found = snapshot.live.pipelines
                known = before.get(slug)
                if known is None or known[0] is not found:
                    known = found, sum(map(is_set_aside, found.values()))
                counted[slug] = known
        self._set_aside = counted
        self._telemetry.watched.set(sum(len(found) for found, _ in counted.values()))
        self._telemetry.set_aside.set(sum(count for _, count in counted.values()))
        self._telemetry.look_late(self._pace.late())

    def _wake(self, slugs: Iterable[str]) -> None:
        """Poll the pipelines of projects at once."""
        for job in map(self._pipelines_job, slugs):
            if job is not None:
                self._schedule.add(job, self._clocks.wall())

    def _hurry(self, slug: str) -> None:
        """Follow the hints of a project at once."""
        job = self._pipelines_job(slug)
        if job is not None:
            self._schedule.hurry(job)

    def _pipelines_job(self, slug: str) -> Job | None:
        snapshot, name = self._store.get(slug), job_name(slug, PIPELINES_POLL)
        jobs = self._jobs.of(snapshot.project) if snapshot else ()
        return next((job for _, job in jobs if job.name == name), None)

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
            for kind, job in self._jobs.of(snapshot.project):
                due = kind.due(snapshot)
                latest = now + kind.interval(snapshot)  # the clock may have been wrong
                self._schedule.add(job, soon if due is None else max(soon, min(due, latest)))
                yield snapshot, kind, job

    def _change(
        self, projects: Iterable[Project], fresh: Iterable[Snapshot], now: float
    ) -> list[tuple[Snapshot, Snapshot]]:
        """Give projects that stay their new settings; returns each that changed, before and after.

        New names are shown at once, and with the fresh projects: one may have taken the name of another.
        """
        renamed: list[Project] = []
        others: list[Project] = []
        for project in projects:
            known = self._store.get(project.slug)
            if known is not None and known.project != (labeled := self._labels.of(project, known.facts)):
                (others if known.project.name == labeled.name else renamed).append(project)
        with ExitStack() as held:
            for project in renamed:
                held.enter_context(self._store.lock(project.slug))
            changed = [pair for project in renamed if (pair := self._changed(project))]
            self._store.publish([*fresh, *(new for _, new in changed)], now)
        for project in others:
            with self._store.lock(project.slug):
                if pair := self._changed(project):
                    self._store.publish([pair[1]], now)
                    changed.append(pair)
        return changed

    def _changed(self, project: Project) -> tuple[Snapshot, Snapshot] | None:
        """A project before and after it got new settings, committed; called with its lock held."""
        old = self._store.get(project.slug)
        if old is None:
            return None
        new, gone, _ = plan.pruned(replace(old, project=project))
        self._state.commit(new, (), gone)
        if not counts(project.collectors):
            self._state.stop_counting(project.slug)
        if old.live is not None and new.live is None:
            self._state.forget_live(project.slug)
        return old, new

    def _reschedule(self, old: Snapshot, new: Snapshot) -> None:
        """Keep the times of what stays, ask at once for what is new."""
        before, now = {job.name for _, job in self._jobs.of(old.project)}, self._clocks.wall()
        for kind, job in self._jobs.of(new.project):
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
            for kind, job in self._jobs.of(snapshot.project):
                if kind.lacks(snapshot):
                    self._schedule.missing(job)


def _restored(project: Project, stored: Stored | None) -> plan.Pruned:
    """What is known of a project from before, as far as it is still asked."""
    if stored is None:
        return plan.Pruned(Snapshot(project), [], lacks=True)
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
