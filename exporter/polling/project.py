"""The poll of a project's gauges: ask, read, commit, publish. A project's trouble stays its own.

A poll has two steps, so that in a fleet's first round every project's workflows are known before the
first job is asked for. Each step publishes once.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from exporter.errors import NotFoundError, PollError
from exporter.insights.collector import Collector
from exporter.insights.collectors import LISTING
from exporter.knowledge import absence, plan
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.failure_log import FailureLog
from exporter.polling.kind import Kind, Means
from exporter.polling.project_answers import ProjectAnswers
from exporter.polling.project_facts import refresh
from exporter.publishing.rendering import BRANCHES
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore


def kind(attempts: Attempts, store: SnapshotStore, state: StateStore, failures: FailureLog) -> Kind:
    """The polls of the projects that a store knows."""
    means = Means(attempts, store, state, failures)

    def begin(slug: str, *, missing_only: bool = False) -> ProjectPoll | None:
        snapshot = store.get(slug)
        return ProjectPoll(snapshot, means, missing_only=missing_only) if snapshot else None

    return Kind(LISTING.name, begin, _interval, _due, plan.missing)


def _interval(snapshot: Snapshot) -> float:
    return absence.interval(snapshot, snapshot.project.interval)


def _due(snapshot: Snapshot) -> float | None:
    return None if snapshot.polled_at is None else snapshot.polled_at + _interval(snapshot)


class ProjectPoll:
    """One poll under way. `step` is called until it returns False."""

    def __init__(self, snapshot: Snapshot, means: Means, *, missing_only: bool) -> None:
        """Keep the settings with which this poll runs to its end."""
        self._attempts, self._store, self._state, self._failures = means
        self._missing_only, self._before = missing_only, snapshot
        self._answers = ProjectAnswers(snapshot, missing_only=missing_only)
        self._snapshot = replace(snapshot, parts=self._answers.parts)
        self._began = means.attempts.clocks.wall()
        self._gave_up: PollError | None = None
        self._branchless: PollError | None = None
        self._unlisted: PollError | None = None
        self._absent: PollError | None = None
        self._was_absent = absence.since(snapshot) is not None
        self._learned = self._listed = False
        self._outcomes: dict[str, Outcome] = {}
        collectors = plan.collectors(snapshot.project.collectors)
        by_workflow = [collector for collector in collectors if "workflow" in collector.over]
        others = [collector for collector in collectors if "workflow" not in collector.over]
        self._steps = [step for step in (others, by_workflow) if step]

    def step(self) -> bool:
        """Ask the next questions and publish the answers; returns whether there are more."""
        attempt = self._attempts.begin(LISTING.name, self._snapshot.project.interval, gave_up=self._gave_up)
        if not self._learned and not (self._was_absent and self._snapshot.facts):
            self._learn(attempt)
        if self._steps:
            for collector in self._steps.pop(0):
                attempt = attempt.beside(collector.name)
                self._collect(attempt, collector)
        self._gave_up = attempt.gave_up
        self._publish(last=not self._steps)
        return bool(self._steps)

    def _learn(self, attempt: Attempt) -> None:
        """Refresh the project's facts; the last known ones are used while that fails."""
        self._learned = True
        project = self._snapshot.project
        facts, error = refresh(attempt, project, self._snapshot.facts, branches=True)
        if error is not None:
            attempt.count(error)
            if facts is None and project.default_branch:
                self._branchless = error
            elif project.branch_globs and not (facts and facts.branches_asked_at):
                self._unlisted = error
        self._snapshot = replace(self._snapshot, facts=facts)

    def _collect(self, attempt: Attempt, collector: Collector) -> None:
        """Ask all questions of one collector and note how that went."""
        before, scoped = self._snapshot.outcomes.get(collector.name), "branch" in collector.over
        if self._absent and not attempt.over():
            attempt.error = self._absent
        elif scoped and self._branchless and not attempt.over():
            attempt.error = self._branchless  # counted when the project was asked for
        elif not attempt.over():
            self._ask(attempt, collector)
            attempt.answered = attempt.answered or self._listed  # the list says what need not be asked
            if scoped and attempt.error is None:
                attempt.error = self._unlisted
        outcome = attempt.outcome(before)
        if outcome is None:
            return
        if collector is LISTING:
            self._listed = attempt.answered and outcome.success
            if isinstance(self._absent or self._branchless, NotFoundError):
                outcome = absence.noted(outcome, before)
        self._outcomes[collector.name] = outcome

    def _ask(self, attempt: Attempt, collector: Collector) -> None:
        """Ask the questions of one collector; of a project that was absent, a single one until it is there."""
        try:
            questions = list(plan.questions(collector, self._snapshot))
        except PollError as error:  # the questions themselves cannot be known
            attempt.fail(error)
            return
        unknown: list[PollError] = []
        for _, group in groupby(questions[:1] if self._was_absent else questions, lambda question: question.branch):
            for failure in self._answers.ask(attempt, collector, list(group)):
                if isinstance(failure, NotFoundError):
                    unknown.append(failure)
                if attempt.over():
                    return
        if collector is LISTING and unknown and (self._was_absent or len(unknown) == len(questions)):
            self._absent = unknown[0]
        elif self._was_absent:
            self._was_absent = False
            self._ask(attempt, collector)

    def _publish(self, *, last: bool) -> None:
        """Commit and show what this step learned, with the current settings."""
        slug = self._snapshot.project.slug
        with self._store.lock(slug):
            base = self._store.get(slug)
            if base is None:  # taken out of the configuration meanwhile
                self._steps.clear()
                return
            dropped = dict(base.dropped)
            if last:
                dropped[BRANCHES] = dropped.get(BRANCHES, 0) + plan.left_out(base.project, self._snapshot.facts)
            merged, gone, _ = plan.pruned(
                replace(
                    base,
                    dropped=dropped,
                    facts=self._snapshot.facts,
                    parts={**base.parts, **self._answers.changed},
                    outcomes={**base.outcomes, **self._outcomes},
                    polled_at=base.polled_at if self._missing_only and base.polled_at else self._began,
                )
            )
            self._state.commit(
                merged, [question for question in self._answers.changed if question in merged.parts], gone
            )
            self._store.publish([merged], self._attempts.clocks.wall(), polled=last)
            published = self._store.get(slug)
        self._answers.changed.clear()
        if last and published:
            self._failures.outcomes(self._before, published)
            self._failures.dropped(base, published)
