"""The poll for new runs: ask, leave out what is remembered, tell the book, commit, publish.

It stands beside the poll of a project's gauges, at an interval of its own, and neither waits for the
other's requests. A workflow counts when its pages were read to their end, whatever became of the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from exporter.counting import asking, crediting
from exporter.counting.book import RunBook, rises_at
from exporter.counting.ledger import listed
from exporter.errors import NotFoundError, PollError, StateError
from exporter.insights.collector import RUNS_POLL
from exporter.insights.collectors import LISTING, RUNS
from exporter.insights.payloads import Column, Reading, items, timestamp
from exporter.knowledge import absence, facts, plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.failure_log import FailureLog
from exporter.polling.kind import Kind, Means
from exporter.polling.project_facts import refresh
from exporter.polling.side_by_side import Task, asked
from exporter.publishing.store import SnapshotStore
from exporter.runs.branches import labels_of
from exporter.runs.reading import Run, read_page
from exporter.state import StateStore

LAST_RUN = Column("window_end", timestamp)
SOON = 1.0
EARLY = 0.9
"""The share of an interval after which a poll asks again, and does not only show what was held back."""


def kind(attempts: Attempts, store: SnapshotStore, state: StateStore, failures: FailureLog) -> Kind:
    """The polls for runs of the projects that a store knows."""
    means, unpublished, wall = Means(attempts, store, state, failures), Unpublished(), attempts.clocks.wall

    def begin(slug: str, *, missing_only: bool = False) -> RunsPoll | None:
        snapshot = store.get(slug)
        if snapshot is None or RUNS not in snapshot.project.collectors:
            return None
        if missing_only and snapshot.ledger is not None:
            return None
        outcome, usual = snapshot.outcomes.get(RUNS), _usual(snapshot)
        early = outcome is not None and 0 <= wall() - outcome.finished_at < EARLY * usual
        return RunsPoll(snapshot, means, unpublished, asks=not early or _rising(snapshot) is None)

    def interval(snapshot: Snapshot) -> float:
        """Until the next poll, or until what is held back may be shown, whichever is sooner."""
        rising, outcome, usual, now = _rising(snapshot), snapshot.outcomes.get(RUNS), _usual(snapshot), wall()
        if rising is None or outcome is None:
            return usual
        rising = max(rising, unpublished.until(snapshot.project.slug))
        return min(max(min(rising, outcome.finished_at + usual) - now, SOON), usual)

    return Kind(RUNS, begin, interval, _due, lambda _snapshot: False)


def _usual(snapshot: Snapshot) -> float:
    usual = snapshot.project.runs.interval
    return max(absence.interval(snapshot, usual), absence.interval(snapshot, usual, RUNS))


def _rising(snapshot: Snapshot) -> float | None:
    return None if snapshot.ledger is None else rises_at(snapshot.ledger, snapshot.project)


def _due(snapshot: Snapshot) -> float | None:
    outcome = snapshot.outcomes.get(RUNS)
    return outcome.finished_at + snapshot.project.runs.interval if outcome and snapshot.ledger else None


def workflows_of(attempt: Attempt, slug: str) -> tuple[dict[str, float | None], Counter[str]]:
    """The workflows that Insights lists, each with the Unix time of its last run, and what could not be read.

    Raises PollError or Stopped.
    """
    reading = Reading()
    for page in attempt.pages(asking.listing(slug)):
        reading.add(items(page), ("name",), (LAST_RUN,))
    return {name: last for (name,), (last,) in reading.rows}, reading.unread


class Unpublished:
    """Projects of which more may have been committed than was published; one for all polls of a process."""

    def __init__(self) -> None:
        self._slugs: set[str] = set()
        self._postponed: dict[str, float] = {}
        self._lock = threading.Lock()

    def until(self, slug: str) -> float:
        """Until when what is held back of a project is not shown, since that could not be committed."""
        return self._postponed.get(slug, 0.0)

    def postpone(self, slug: str, until: float) -> None:
        self._postponed[slug] = until

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

    def __init__(self, snapshot: Snapshot, means: Means, unpublished: Unpublished, *, asks: bool = True) -> None:
        """Keep the settings with which this poll runs to its end; one that does not ask shows what was held back."""
        self._attempts, self._store, self._state, self._failures = means
        self._unpublished, self._snapshot, self._asks = unpublished, snapshot, asks
        self._project, self._facts = snapshot.project, snapshot.facts
        self._book: RunBook | None = None
        self._absent = False
        self._was_absent = any(absence.since(snapshot, name) is not None for name in (LISTING.name, RUNS))

    def step(self) -> bool:
        """Read all workflows, commit what was learned and show it; returns that there is no more to do."""
        attempt = self._attempts.begin(RUNS, self._project.runs.interval)
        with attempt.guard("the project's runs"):
            self._read(attempt)
        if self._book is not None:
            self._book.release()
            self._book.close()
        self._publish(attempt)
        return False

    def _read(self, attempt: Attempt) -> None:
        """Read what is due of the project, then each workflow's new runs."""
        if not self._state.lasting:
            raise StateError("the state file could not be opened for writing")
        project, ledger = self._project, self._snapshot.ledger
        if ledger is None or project.slug in self._unpublished:
            ledger, _ = self._state.resume(project.slug, project.runs.interval)
        if self._asks and not self._learn(attempt):
            return
        label = labels_of(project, facts.default_branch(project, self._facts))
        if ledger is not None:
            self._book = RunBook(ledger, project, label, now=attempt.now(), limit=plan.counters_limit(self._snapshot))
        if not self._asks or not self._named(attempt, label) or self._book is None:
            return
        tasks = [self._runs_of(attempt, self._book, name) for name in asking.wanted(self._book.ledger, project)]
        for _ in attempt.side_by_side().all(tasks, attempt.over):
            pass  # each adds to the book what it has read

    def _learn(self, attempt: Attempt) -> bool:
        """Refresh the project's facts; returns whether to go on."""
        unknown = self._facts is None
        self._facts, error = refresh(attempt, self._project, self._facts, branches=False)
        if error is not None:
            attempt.fail(error)
            self._absent = unknown and isinstance(error, NotFoundError)
        return not (attempt.over() or self._absent)

    def _named(self, attempt: Attempt, label: Callable[[str], str]) -> bool:
        """Bring the book up to date with CircleCI's list of workflows, hourly; returns whether to go on.

        The list is the one question to ask of a project that was absent.
        """
        project, now, book = self._project, attempt.now(), self._book
        if book is not None and not self._was_absent and not asking.due_names(book.ledger, project, now):
            return True
        try:
            names, unread = workflows_of(attempt, project.slug)
        except PollError as error:
            attempt.fail(error)
            self._absent = isinstance(error, NotFoundError)
            return not (self._was_absent and self._absent)
        attempt.unread(unread)
        if book is None:
            ledger = listed(names, now, read=attempt.earlier(), lookback=project.runs.lookback)
            book = self._book = RunBook(ledger, project, label, now=now, limit=plan.counters_limit(self._snapshot))
        book.list_names(names, now)
        return True

    def _runs_of(self, attempt: Attempt, book: RunBook, name: str) -> Task:
        own = attempt.beside()
        with own.guard(f"the runs of {name}") as held:
            yield from self._workflow(own, book, name)
        attempt.join(own)
        if held.error is None:
            self._absent = False  # known names serve while their list cannot be read

    def _workflow(self, attempt: Attempt, book: RunBook, name: str) -> Task:
        """Read one workflow, newest runs first, to its end or to a page that holds nothing new."""
        settings, now, workflow = self._project.runs, attempt.now(), book.ledger.workflows[name]
        start = asking.start_of(workflow, attempt.earlier(), settings.lookback)
        swept = asking.sweep_is_due(workflow, now, settings.sweep)
        fresh: dict[int, Run] = {}
        owed: dict[int, Run] = {}
        with closing(attempt.pages(asking.recent(self._project.slug, name, start))) as pages:
            while (page := (yield from asked(lambda: next(pages, None)))) is not None:
                if self._take(attempt, name, page, workflow.floor, fresh, owed) and not swept:
                    break
        if workflow.baseline and start > attempt.earlier():
            return  # this machine's clock is ahead, as the first answer said: the next poll begins where it should
        crediting.add(book, name, fresh.values())
        crediting.credit(book, name, owed.values())
        book.read(name, [run.created_at for run in fresh.values()], now=now, start=start, swept=swept)

    def _take(  # noqa: PLR0917  what is read, from where, into what
        self, attempt: Attempt, name: str, page: object, oldest: int, fresh: dict[int, Run], owed: dict[int, Run]
    ) -> bool:
        """Add a page's runs that are not remembered to `fresh`; returns whether there was none on it.

        A run that comes twice, on pages that shifted, counts once: as finished, if it ever is. Those that were
        counted before their credits had come go to `owed`.
        """
        found, unread = read_page(page, attempt.date())
        attempt.unread(unread)
        young = [run for run in found if run.created_at >= oldest]
        known = self._state.known(self._project.slug, name, {run.key for run in young})
        unknown = [run for run in young if run.key not in known]
        owed.update((run.key, run) for run in young if run.status and known.get(run.key) in crediting.WAITING)
        for run in unknown:
            if run.key not in fresh or (run.status and not fresh[run.key].status):
                fresh[run.key] = run
        return bool(found) and not unknown

    def _publish(self, attempt: Attempt) -> None:
        """Commit what was learned and show it, with the current settings."""
        slug, book = self._project.slug, self._book
        with self._store.lock(slug):
            base = self._store.get(slug)
            if base is None or base.ledger is not self._snapshot.ledger:  # it was taken out meanwhile
                return
            merged: Snapshot | None = None
            if book is not None and book.changes:
                try:
                    merged = replace(self._tried(base, attempt), ledger=book.ledger)
                    self._state.commit_counts(merged, book.changes)
                except StateError as error:
                    attempt.fail(error)
                    self._unpublished.postpone(slug, attempt.now() + self._project.runs.interval)
                    merged = None
            counted = merged is not None
            if merged is None:
                merged = self._tried(base, attempt)
                self._state.commit(merged, (), ())
            with self._unpublished.publishing(slug):
                self._store.publish([merged], attempt.now(), counted=self._asks)
            published = self._store.get(slug)
            if counted and book is not None and published is not None:
                self._shown(book, published, attempt.now())
        self._failures.outcomes(base, merged)
        if self._asks and published is not None:
            self._failures.dropped(base, published, RUNS_POLL)

    def _shown(self, book: RunBook, published: Snapshot, now: float) -> None:
        """Count from now for how long new series are shown at 0: committing and rendering them took a while."""
        book.published(now)
        self._store.keep(replace(published, ledger=book.ledger))

    def _tried(self, base: Snapshot, attempt: Attempt) -> Snapshot:
        """The snapshot after this poll, but for what it counted."""
        learned = facts.newer(base.facts, self._facts)
        outcomes = attempt.outcomes(base.outcomes)
        if self._absent:
            outcomes = {**outcomes, RUNS: absence.noted(outcomes[RUNS], base.outcomes.get(RUNS))}
        return replace(base, facts=learned, outcomes=outcomes)
