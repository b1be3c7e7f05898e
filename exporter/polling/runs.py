"""The poll for new runs: ask, leave out what is remembered, fold, commit, publish.

It stands beside the poll of a project's gauges, at an interval of its own, and neither waits for the
other's requests. A workflow counts when its pages were read to their end, whatever became of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from exporter import runs
from exporter.errors import NotFoundError, PollError, StateError
from exporter.insights.collectors import RUNS
from exporter.insights.payloads import Column, Reading, items, timestamp
from exporter.knowledge import absence, facts
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.failure_log import FailureLog
from exporter.polling.kind import Kind, Means
from exporter.polling.project_facts import refresh
from exporter.publishing.store import SnapshotStore
from exporter.runs import Ledger, Run
from exporter.state import Remembered, StateStore

LAST_RUN = Column("window_end", timestamp)


def kind(attempts: Attempts, store: SnapshotStore, state: StateStore, failures: FailureLog) -> Kind:
    """The polls for runs of the projects that a store knows."""
    means, unpublished = Means(attempts, store, state, failures), Unpublished()

    def begin(slug: str, *, missing_only: bool = False) -> RunsPoll | None:
        snapshot = store.get(slug)
        if snapshot is None or RUNS not in snapshot.project.collectors:
            return None
        if missing_only and snapshot.ledger is not None:
            return None
        return RunsPoll(snapshot, means, unpublished)

    return Kind(RUNS, begin, _interval, _due, lambda _snapshot: False)


def _interval(snapshot: Snapshot) -> float:
    return absence.interval(snapshot, snapshot.project.runs.interval)


def _due(snapshot: Snapshot) -> float | None:
    outcome = snapshot.outcomes.get(RUNS)
    return outcome.finished_at + snapshot.project.runs.interval if outcome and snapshot.ledger else None


class Unpublished:
    """Projects of which more may have been committed than was published; one for all polls of a process."""

    def __init__(self) -> None:
        self._slugs: set[str] = set()
        self._lock = threading.Lock()

    def __contains__(self, slug: str) -> bool:
        with self._lock:
            return slug in self._slugs

    @contextmanager
    def publishing(self, slug: str) -> Iterator[None]:
        """Note a project until it is published; it stays noted when that fails."""
        with self._lock:
            self._slugs.add(slug)
        yield
        with self._lock:
            self._slugs.discard(slug)


class RunsPoll:
    """One poll under way; it has one step."""

    def __init__(self, snapshot: Snapshot, means: Means, unpublished: Unpublished) -> None:
        """Keep the settings with which this poll runs to its end."""
        self._attempts, self._store, self._state, self._failures = means
        self._unpublished, self._snapshot = unpublished, snapshot
        self._project, self._facts, self._ledger = snapshot.project, snapshot.facts, snapshot.ledger
        self._remembered: dict[str, Remembered] = {}
        self._whole = False

    def step(self) -> bool:
        """Read all workflows, commit what was learned and show it; returns that there is no more to do."""
        attempt = self._attempts.begin(RUNS, self._project.runs.interval)
        with attempt.guard("the project's runs"):
            self._read(attempt)
        self._publish(attempt)
        return False

    def _read(self, attempt: Attempt) -> None:
        """Read what is due of the project, then each workflow's new runs."""
        if not self._state.lasting:
            raise StateError("the state file could not be opened for writing")
        project = self._project
        if self._ledger is None or project.slug in self._unpublished:
            self._ledger = self._state.resume(project.slug, project.runs.interval)
        self._facts, error = refresh(attempt, project, self._facts, branches=False)
        if error is not None:
            attempt.fail(error)
        if attempt.over():
            return
        label = runs.labels_of(project, facts.default_branch(project, self._facts))
        ledger = self._named(attempt, absent=absence.since(self._snapshot) is not None)
        if ledger is None:
            return
        for name in runs.wanted(ledger, project):
            if attempt.over():
                break
            with attempt.guard(f"the runs of {name}"):
                self._workflow(attempt, name, label)

    def _named(self, attempt: Attempt, *, absent: bool) -> Ledger | None:
        """Bring the ledger up to date with the settings and, hourly, with CircleCI's list of workflows.

        The list is the one question to ask of a project that was `absent`; None while it is.
        """
        project, now, ledger = self._project, attempt.now(), self._ledger
        if ledger is not None:
            rebucketed = runs.rebucketed(ledger, project.runs.buckets)
            self._whole, ledger = rebucketed is not ledger, rebucketed
        if absent or ledger is None or runs.due_names(ledger, project, now):
            reading = Reading()
            try:
                for page in attempt.pages(runs.listing(project.slug)):
                    reading.add(items(page), ("name",), (LAST_RUN,))
            except PollError as error:
                attempt.fail(error)
                if absent and isinstance(error, NotFoundError):
                    return None
            else:
                attempt.unread(reading.unread)
                names = {name: last for (name,), (last,) in reading.rows}
                lookback, bounds = project.runs.lookback, project.runs.buckets
                ledger = runs.listed(ledger, names, now, read=attempt.earlier(), lookback=lookback, bounds=bounds)
                self._whole = True
        self._ledger = ledger
        return ledger

    def _workflow(self, attempt: Attempt, name: str, label: Callable[[str], str]) -> None:
        """Read one workflow, newest runs first, to its end or to a page that holds nothing new."""
        ledger, settings, now = self._ledger, self._project.runs, attempt.now()
        assert ledger is not None  # noqa: S101  it has this workflow
        workflow = ledger.workflows[name]
        start = runs.start_of(workflow, attempt.earlier(), settings.lookback)
        swept = runs.sweep_is_due(workflow, now, settings.sweep)
        fresh: dict[int, Run] = {}
        owed: dict[int, Run] = {}
        with closing(attempt.pages(runs.recent(self._project.slug, name, start))) as pages:
            for page in pages:
                if self._take(attempt, name, page, workflow.floor, fresh, owed) and not swept:
                    break
        if workflow.baseline and start > attempt.earlier():
            return  # this machine's clock is ahead, as the first answer said: the next poll begins where it should
        ledger = runs.fold(
            ledger, name, fresh.values(), label, now=now, start=start, lookback=settings.lookback, swept=swept
        )
        self._ledger = runs.with_credits(ledger, name, owed.values(), label)
        self._remembered[name] = Remembered(
            {run.key: run.created_at for run in fresh.values() if run.status},
            self._ledger.workflows[name].floor if swept else None,
            credited=owed.keys(),
        )

    def _take(  # noqa: PLR0917  what is read, from where, into what
        self, attempt: Attempt, name: str, page: object, oldest: int, fresh: dict[int, Run], owed: dict[int, Run]
    ) -> bool:
        """Add a page's runs that are not remembered to `fresh`; returns whether there was none on it.

        A run that comes twice, on pages that shifted, counts once: as finished, if it ever is. Those that were
        counted before their credits had come go to `owed`.
        """
        found, unread = runs.read_page(page, attempt.date())
        attempt.unread(unread)
        young = [run for run in found if run.created_at >= oldest]
        known = self._state.known(self._project.slug, name, {run.key for run in young})
        unknown = [run for run in young if run.key not in known]
        owed.update((run.key, run) for run in young if run.status and known.get(run.key) is False)
        for run in unknown:
            if run.key not in fresh or (run.status and not fresh[run.key].status):
                fresh[run.key] = run
        return bool(found) and not unknown

    def _publish(self, attempt: Attempt) -> None:
        """Commit what was learned and show it, with the current settings."""
        slug = self._project.slug
        with self._store.lock(slug):
            base = self._store.get(slug)
            if base is None or base.ledger is not self._snapshot.ledger:  # it was taken out meanwhile
                return
            merged = base
            if self._whole or self._remembered:
                try:
                    merged = replace(self._tried(base, attempt), ledger=self._ledger)
                    self._state.commit_runs(merged, self._remembered, whole=self._whole)
                except StateError as error:
                    attempt.fail(error)
                    merged = base
            if merged is base:
                merged = self._tried(base, attempt)
                self._state.commit(merged, (), ())
            with self._unpublished.publishing(slug):
                self._store.publish([merged], attempt.now())
        self._failures.outcomes(base, merged)

    def _tried(self, base: Snapshot, attempt: Attempt) -> Snapshot:
        """The snapshot after this poll, but for what it counted."""
        learned = facts.newer(base.facts, self._facts)
        return replace(base, facts=learned, outcomes=attempt.outcomes(base.outcomes))
