"""The poll for what happens now: lists of pipelines, looks at those under way, and what of it counts.

It is the only poll that changes what is counted of a project while it is on, so Insights' lists of runs are
read here too: they bring credits, and what nothing else saw.
"""

from __future__ import annotations

from dataclasses import replace

from exporter.counting.pipeline_book import PipelineBook
from exporter.errors import StateError
from exporter.insights.collector import PIPELINES_POLL
from exporter.insights.collectors import PIPELINES
from exporter.knowledge import absence, facts
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.failure_log import FailureLog
from exporter.polling.inbox import Waiting
from exporter.polling.kind import Kind, Means
from exporter.polling.pace import RISE, Pace
from exporter.polling.pipeline_work import Work
from exporter.polling.runs import Unpublished
from exporter.publishing.store import SnapshotStore
from exporter.runs.pipelines import FoundRun
from exporter.state import StateStore


def kind(attempts: Attempts, store: SnapshotStore, state: StateStore, failures: FailureLog, pace: Pace) -> Kind:
    """The polls for pipelines of the projects that a store knows."""
    means, unpublished = Means(attempts, store, state, failures), Unpublished()

    def begin(slug: str, *, missing_only: bool = False) -> PipelinesPoll | None:
        snapshot = store.get(slug)
        if snapshot is None or PIPELINES not in snapshot.project.collectors:
            return None
        if missing_only and snapshot.live is not None:
            return None
        return PipelinesPoll(slug, means, pace, unpublished)

    return Kind(PIPELINES, begin, pace.interval, pace.due, lambda _snapshot: False)


class PipelinesPoll:
    """One poll under way: as many steps as there is something due."""

    def __init__(self, slug: str, means: Means, pace: Pace, unpublished: Unpublished) -> None:
        """Each step takes the settings that hold when it begins."""
        self._attempts, self._store, self._state, self._failures = means
        self._slug, self._pace, self._inbox, self._unpublished = slug, pace, pace.inbox, unpublished
        self._work = Work(slug, means, pace)
        self._hurried, self._dropped_at = False, means.attempts.clocks.wall()

    def step(self) -> bool:
        """Ask for some of what is due, commit what was learned and show it; returns whether more is due."""
        snapshot = self._store.get(self._slug)
        if snapshot is None or PIPELINES not in snapshot.project.collectors:
            return False
        attempt = self._attempts.begin(PIPELINES, snapshot.project.polled_every(PIPELINES))
        work, resume = self._work, self._slug in self._unpublished
        with attempt.guard("the project's pipelines"):
            work.do(attempt, snapshot, resume=resume, hurry=not self._hurried and PIPELINES in snapshot.outcomes)
        if self._attempts.client.lost is not None:
            self._pace.of(self._slug).acquit()
        self._hurried = work.hurried
        there = self._publish(attempt, snapshot, work)
        if attempt.over() or work.book is None:
            self._inbox.failed(self._slug)
        return there and work.more and not attempt.over()

    def _publish(self, attempt: Attempt, before: Snapshot, work: Work) -> bool:
        """Commit what was learned and show it; returns whether the project is still there."""
        with self._store.lock(self._slug):
            base = self._store.get(self._slug)
            if base is None or base.live is not before.live or base.ledger is not before.ledger:
                return False  # it was taken out, or is polled in another way
            merged, changed = self._committed(attempt, base, work)
            last = not work.hurried and self._is_last(attempt, base)
            if changed or self._pace.tells(base, merged, PIPELINES):
                with self._unpublished.publishing(self._slug):
                    self._store.publish([merged], attempt.now(), counted=last)
                if last and (published := self._store.get(self._slug)):
                    self._failures.dropped(base, published, PIPELINES_POLL)
                if changed and work.book is not None:
                    self._shown(work.book, attempt.now())
            else:
                self._store.keep(merged)
        if changed and work.book is not None:
            attempt.counted(work.book.changes.delays)
            self._failures.missed(merged.project, work.book.changes.missed)
        for pipeline, error in (work.step().set_aside if work.book else {}).items():
            self._failures.set_aside(merged.project, pipeline, error)
        self._failures.outcomes(base, merged)
        return True

    def _is_last(self, attempt: Attempt, base: Snapshot) -> bool:
        """Whether what `max_series` leaves out is counted now: at the end of a poll, and now and then in a long one."""
        long = attempt.now() - self._dropped_at >= base.project.pipelines.interval
        last = attempt.over() or not self._work.more or long
        if last:
            self._dropped_at = attempt.now()
        return last

    def _shown(self, book: PipelineBook, now: float) -> None:
        """Count from now for how long new series are shown at 0: committing and rendering them took a while."""
        book.published(now)
        snapshot = self._store.get(self._slug)
        if snapshot is not None:
            self._store.keep(replace(snapshot, ledger=book.ledger, live=book.live))

    def _committed(self, attempt: Attempt, base: Snapshot, work: Work) -> tuple[Snapshot, bool]:
        """The snapshot with what was learned, if it could be committed, and whether there was anything to commit."""
        book = work.book
        if book is None:
            self._hold_on(attempt, base)
            return self._tried(attempt, base, work), False
        merged = replace(self._tried(attempt, base, work), ledger=book.ledger, live=book.live)
        followed = work.hints.followed
        try:
            if book.changes:
                self._state.commit_counts(merged, book.changes, followed)
            elif followed:
                self._state.drop_hints(followed)
        except StateError as error:
            attempt.fail(error)
            self._hold_on(attempt, base)
            return self._tried(attempt, base, work), False
        self._inbox.followed(self._slug, followed)
        for waiting, found, slug in work.hints.moved:
            self._move(waiting, found, slug)
        return merged, bool(book.changes)

    def _hold_on(self, attempt: Attempt, base: Snapshot) -> None:
        """Try no sooner than after an interval again to show what is held back: it could not be committed."""
        self._pace.of(self._slug).postpone(RISE, attempt.now() + base.project.pipelines.interval)

    def _move(self, waiting: Waiting, found: FoundRun, slug: str) -> None:
        """Hand a hint to the project that CircleCI names for its run, if its pipelines are polled here."""
        named = self._store.get(slug)
        if named is not None and PIPELINES in named.project.collectors:
            self._inbox.move(waiting, found, slug)

    def _tried(self, attempt: Attempt, base: Snapshot, work: Work) -> Snapshot:
        """The snapshot after this step, but for what it counted."""
        outcomes = base.outcomes
        if attempt.error is not None or not work.hurried:  # what hints led to is not all that was due
            outcomes = attempt.outcomes(outcomes)
        if work.absent:
            outcomes = {**outcomes, PIPELINES: absence.noted(outcomes[PIPELINES], base.outcomes.get(PIPELINES))}
        if work.book is not None and (insights := work.step().insights) is not None:
            outcomes = insights.outcomes(outcomes)
        return replace(base, facts=facts.newer(base.facts, work.facts), outcomes=outcomes)
