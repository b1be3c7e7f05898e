"""One poll: ask, read, commit, publish, count. A project's trouble stays its own.

A poll has two steps, so that in a fleet's first round every project's workflows are known before the
first job is asked for. Each step publishes once.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from exporter.errors import InternalError, PollError, Stopped
from exporter.insights.payloads import items
from exporter.insights.questions import Question
from exporter.knowledge import plan
from exporter.knowledge.facts import BRANCH_LIST, PROJECT, branches_due, due, of_project, with_branches
from exporter.knowledge.snapshots import Outcome, pack
from exporter.polling.failure_log import Reports
from exporter.publishing.rendering import BRANCHES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from structlog.stdlib import BoundLogger

    from exporter.insights.collectors import Collector
    from exporter.knowledge.snapshots import Part, Snapshot
    from exporter.publishing.store import SnapshotStore
    from exporter.telemetry import Telemetry

MIN_DEADLINE = 300.0


class Client(Protocol):
    """Asks CircleCI."""

    def pages(self, question: Question, *, deadline: float) -> Iterator[object]:
        """All pages of an answer; raises PollError or Stopped."""


class State(Protocol):
    """Keeps what was learnt."""

    def commit(self, snapshot: Snapshot, changed: Iterable[Question], removed: Iterable[Question]) -> None:
        """Write the parts of a snapshot that changed."""


class Poller:
    """Polls projects that the store knows; one instance for the whole process, used from many threads."""

    def __init__(
        self,
        client: Client,
        store: SnapshotStore,
        state: State,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what a poll needs; `wall` gives Unix seconds, `monotonic` is the client's clock."""
        self.client, self.store, self.state, self.telemetry, self.log = client, store, state, telemetry, log
        self.wall, self.monotonic = wall, monotonic
        self.reports = Reports(log)

    def begin(self, slug: str, *, missing_only: bool = False) -> Poll | None:
        """Start a poll of a project, of all that it asks or of what has no answer yet; None if it is gone."""
        snapshot = self.store.get(slug)
        return None if snapshot is None else Poll(self, snapshot, missing_only=missing_only)


class Patience:
    """How long a poll goes on: for its interval, at least 5 min, by the monotonic clock.

    Waiting for a turn at a low rate is no fault: each question has its 5 min even then. But once the poll's
    time is over, the first failure ends it.
    """

    def __init__(self, now: float, interval: float) -> None:
        """Start to count; `interval` is the collector's, in seconds."""
        self._until = now + max(interval, MIN_DEADLINE)

    def deadline(self, now: float) -> float:
        """Until when a question that is asked now may take."""
        return max(self._until, now + MIN_DEADLINE)

    def is_over(self, now: float) -> bool:
        """Whether the poll's time is over."""
        return now >= self._until


class Poll:
    """One poll under way. `step` is called until it returns False."""

    def __init__(self, poller: Poller, snapshot: Snapshot, *, missing_only: bool) -> None:
        """Take the settings by which this poll runs to its end."""
        self._by, self._missing_only, self._before = poller, missing_only, snapshot
        self._parts = dict(snapshot.parts)
        self._snapshot = replace(snapshot, parts=self._parts)
        self._began = poller.wall()
        self._given_up: PollError | None = None
        self._branchless: PollError | None = None
        self._unlisted: PollError | None = None
        self._learnt = False
        self._digests: dict[tuple[str, str], dict[str, str]] = {}
        self._changed: dict[Question, Part] = {}
        self._outcomes: dict[str, Outcome] = {}
        collectors = plan.collectors(snapshot.project)
        self._steps = [
            step
            for step in (
                [collector for collector in collectors if "workflow" not in collector.over],
                [collector for collector in collectors if "workflow" in collector.over],
            )
            if step
        ]

    def step(self) -> bool:
        """Ask the next questions and publish the answers; returns whether there are more."""
        self._patience = Patience(self._by.monotonic(), self._snapshot.project.interval)
        if not self._learnt:
            self._learn()
        if self._steps:
            for collector in self._steps.pop(0):
                self._collect(collector)
        self._publish(last=not self._steps)
        return bool(self._steps)

    def _learn(self) -> None:
        """Refresh what is known of the project itself, once a day; the last known serves while that fails."""
        self._learnt = True
        snapshot, now = self._snapshot, self._by.wall()
        facts = snapshot.facts
        try:
            nameless = facts is not None and snapshot.project.default_branch and not facts.default_branch
            if facts is None or nameless or due(facts, now):
                facts = of_project(self._ask(PROJECT), facts, now)
            if snapshot.project.branch_globs and branches_due(facts, now):
                facts = with_branches(facts, self._ask(BRANCH_LIST), now)
        except PollError as error:
            self._failed("workflows", error)
            if facts is None and snapshot.project.default_branch:
                self._branchless = error
            elif snapshot.project.branch_globs and not (facts and facts.branches_asked_at):
                self._unlisted = error
        self._snapshot = replace(snapshot, facts=facts)

    def _ask(self, endpoint: str) -> object:
        """A document about the project, which has one page."""
        question = Question("workflows", endpoint, self._snapshot.project.slug)
        return next(self._by.client.pages(question, deadline=self._deadline()))

    def _deadline(self) -> float:
        return self._patience.deadline(self._by.monotonic())

    def _collect(self, collector: Collector) -> None:
        """Ask all questions of one collector and note how that went."""
        began = self._by.monotonic()
        first = self._given_up or (self._branchless if "branch" in collector.over else None)
        if first is None:
            try:
                for question in list(plan.questions(collector, self._snapshot)):
                    error = self._answer(collector, question)
                    first = first or error
                    if self._given_up:
                        break
            except PollError as error:  # the questions themselves cannot be known
                self._failed(collector.name, error)
                first = error
            first = first or (self._unlisted if "branch" in collector.over else None)
        now = self._by.wall()
        old = self._snapshot.outcomes.get(collector.name)
        self._outcomes[collector.name] = Outcome(
            success=first is None,
            duration=self._by.monotonic() - began,
            finished_at=now,
            last_success=now if first is None else old.last_success if old else None,
            error=str(first or ""),
            reason=first.reason if first else "",
        )

    def _answer(self, collector: Collector, question: Question) -> PollError | None:
        """Get one question's part, or keep the old one; returns the failure."""
        by, project, now = self._by, self._snapshot.project, self._by.wall()
        old = self._snapshot.parts.get(question)
        if self._missing_only and old is not None:
            return None
        digest = self._digests.get((question.branch, question.window), {}).get(question.workflow)
        if old and collector.name == "jobs" and plan.unchanged(old, digest, now, project.jobs.max_age):
            self._keep(question, replace(old, checked_at=now))
            return None
        try:
            answer = by.client.pages(collector.sent(question, now), deadline=self._deadline())
            pages = list(answer if collector.paged else islice(answer, 1))
            now = by.wall()
            rows, unread = collector.read(pages, question, now)
            if collector.name == "workflows":
                entries = [row for page in pages for row in items(page)]
                self._digests[question.branch, question.window] = plan.digests(entries)
            part = plan.answered(old, pack(collector, rows), now, digest)
        except Stopped:
            raise
        except PollError as error:
            return self._failed(collector.name, error)
        except Exception as defect:  # a defect in reading is held to this question, and counted
            by.log.exception("a defect was held to one question", project=project.name, path=question.path)
            return self._failed(collector.name, InternalError(f"{type(defect).__name__} while reading {question.path}"))
        by.telemetry.unread(collector.name, unread)
        self._keep(question, part)
        return None

    def _keep(self, question: Question, part: Part) -> None:
        self._changed[question] = self._parts[question] = part

    def _failed(self, collector: str, error: PollError) -> PollError:
        """Count a failure; some make further questions of this poll useless."""
        self._by.telemetry.failed(collector, error.reason)
        if error.ends_poll or self._patience.is_over(self._by.monotonic()):
            self._given_up = error
        return error

    def _publish(self, *, last: bool) -> None:
        """Commit and show what this step learnt, by the settings that hold now."""
        by, slug = self._by, self._snapshot.project.slug
        with by.store.lock(slug):
            base = by.store.get(slug)
            if base is None:  # taken out of the configuration meanwhile
                self._steps.clear()
                return
            dropped = dict(base.dropped)
            if last:
                dropped[BRANCHES] = dropped.get(BRANCHES, 0) + plan.left_out(base.project, self._snapshot.facts)
            merged, gone = plan.pruned(
                replace(
                    base,
                    dropped=dropped,
                    facts=self._snapshot.facts,
                    parts={**base.parts, **self._changed},
                    outcomes={**base.outcomes, **self._outcomes},
                    polled_at=base.polled_at if self._missing_only and base.polled_at else self._began,
                )
            )
            by.state.commit(merged, [question for question in self._changed if question in merged.parts], gone)
            by.store.publish([merged], by.wall(), polled=last)
            published = by.store.get(slug)
        self._changed.clear()
        if last and published:
            by.reports.outcomes(self._before, merged)
            by.reports.left_out(base, published)
