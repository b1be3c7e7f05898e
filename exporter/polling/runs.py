"""One poll for new runs: ask, leave out what is remembered, fold, commit, publish.

It stands beside the poll of a project's gauges, at an interval of its own, and neither waits for the
other's requests. A workflow counts when its pages were read to their end, whatever became of the others.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from exporter import runs
from exporter.errors import InternalError, PayloadError, PollError, StateError, Stopped
from exporter.insights.payloads import Column, Reading, items, timestamp
from exporter.insights.questions import Question
from exporter.knowledge.facts import PROJECT, due, of_project
from exporter.knowledge.snapshots import Outcome
from exporter.polling.project import Patience
from exporter.state import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from exporter.knowledge.snapshots import Facts, Snapshot
    from exporter.polling.project import Poller
    from exporter.runs import Ledger, Run
    from exporter.state import StateStore

COLLECTOR = "runs"
LAST_RUN = Column("window_end", timestamp)


class RunPoller:
    """Polls the runs of projects that the store knows, with the client, clocks and log of the other poller."""

    def __init__(self, by: Poller, state: StateStore) -> None:
        """One instance serves the whole process, from many threads."""
        self.by, self.state = by, state
        self.unsure: set[str] = set()
        """Projects of which more may have been committed than was published."""

    def begin(self, slug: str, *, missing_only: bool = False) -> RunPoll | None:
        """Start a poll of a project's runs; None if it is gone, or has nothing missing where that is asked."""
        snapshot = self.by.store.get(slug)
        if snapshot is None or COLLECTOR not in snapshot.project.collectors:
            return None
        return None if missing_only and snapshot.ledger is not None else RunPoll(self, snapshot)


class RunPoll:
    """One poll under way; it has one step."""

    def __init__(self, poller: RunPoller, snapshot: Snapshot) -> None:
        """Take the settings by which this poll runs to its end."""
        self._poller, self._by, self._state = poller, poller.by, poller.state
        self._snapshot, self._project = snapshot, snapshot.project
        self._facts = snapshot.facts
        self._ledger = snapshot.ledger
        self._remembered: dict[str, Remembered] = {}
        self._whole = False
        self._first: PollError | None = None
        self._hopeless = False

    def step(self) -> bool:
        """Read all workflows, commit what was learnt and show it; returns that there is no more to do."""
        began = self._by.monotonic()
        self._patience = Patience(began, self._project.runs.interval)
        self._guarded("the project's runs", self._read)
        self._publish(began)
        return False

    def _guarded(self, what: str, reading: Callable[[], None]) -> None:
        """Hold a failure, or a defect, to what was read."""
        try:
            reading()
        except Stopped:
            raise
        except PollError as error:
            self._failed(error)
        except Exception as defect:  # one defect ends one reading, and is counted
            self._by.log.exception("a defect was held to one reading", project=self._project.name, what=what)
            self._failed(InternalError(f"{type(defect).__name__} while reading {what}"))

    def _failed(self, error: PollError) -> None:
        self._by.telemetry.failed(COLLECTOR, error.reason)
        self._first = self._first or error
        late = self._patience.is_over(self._by.monotonic())
        self._hopeless |= late or error.ends_poll or isinstance(error, StateError)

    def _deadline(self) -> float:
        return self._patience.deadline(self._by.monotonic())

    def _over(self) -> bool:
        """Whether asking on would be of no use."""
        return self._hopeless

    def _read(self) -> None:
        """Read what is due of the project, then each workflow's new runs."""
        if not self._state.lasting:
            raise StateError("the state file could not be opened for writing")
        project = self._project
        if self._ledger is None or project.slug in self._poller.unsure:
            self._ledger = self._state.resume(project.slug, project.runs.interval)
        self._learn()
        if self._over():
            return
        label = runs.labels_of(project, self._default_branch())
        ledger = self._named()
        if ledger is None:
            return
        for name in runs.wanted(ledger, project):
            if self._over():
                break
            self._guarded(f"the runs of {name}", partial(self._workflow, name, label))

    def _learn(self) -> None:
        """Ask for the default branch once a day; the last known serves while that fails."""
        now = self._by.wall()
        if self._facts is None or due(self._facts, now):
            try:
                question = Question(COLLECTOR, PROJECT, self._project.slug)
                page = next(iter(self._by.client.pages(question, deadline=self._deadline())))
                self._facts = of_project(page, self._facts, now)
            except PollError as error:
                self._failed(error)

    def _default_branch(self) -> str:
        """The default branch's name. Raises PayloadError where it is wanted and not known."""
        name = self._facts.default_branch if self._facts else ""
        if not name and self._project.default_branch:
            raise PayloadError("CircleCI names no default branch; set default_branch: false and list branches")
        return name

    def _named(self) -> Ledger | None:
        """Bring the ledger up to date with the settings and, hourly, with CircleCI's list of workflows."""
        project, now, ledger = self._project, self._by.wall(), self._ledger
        if ledger is not None:
            rebucketed = runs.rebucketed(ledger, project.runs.buckets)
            self._whole, ledger = rebucketed is not ledger, rebucketed
        if runs.due_names(ledger, now):
            reading = Reading()
            try:
                for page in self._by.client.pages(runs.listing(project.slug), deadline=self._deadline()):
                    for row in items(page):
                        reading.add(row, ("name",), (LAST_RUN,))
            except PollError as error:
                self._failed(error)
            else:
                self._by.telemetry.unread(COLLECTOR, reading.unread)
                names = {name: last for (name,), (last,) in reading.rows}
                lookback, bounds = project.runs.lookback, project.runs.buckets
                ledger = runs.listed(ledger, names, now, lookback=lookback, bounds=bounds)
                self._whole = True
        self._ledger = ledger
        return ledger

    def _workflow(self, name: str, label: Callable[[str], str]) -> None:
        """Read one workflow, newest runs first, to its end or to a page that holds nothing new."""
        ledger, settings, now = self._ledger, self._project.runs, self._by.wall()
        assert ledger is not None  # noqa: S101  it has this workflow
        workflow = ledger.workflows[name]
        start = runs.start_of(workflow, now, settings.lookback)
        swept = runs.sweep_is_due(workflow, now, settings.sweep)
        fresh: dict[int, Run] = {}
        question = runs.recent(self._project.slug, name, start)
        with closing(self._pages(question)) as pages:
            for page in pages:
                if self._take(name, page, workflow.floor, fresh) and not swept:
                    break
        self._ledger = runs.fold(
            ledger, name, fresh.values(), label, now=now, start=start, lookback=settings.lookback, swept=swept
        )
        self._remembered[name] = Remembered(
            {run.key: run.created_at for run in fresh.values() if run.status},
            self._ledger.workflows[name].floor if swept else None,
        )

    def _pages(self, question: Question) -> Generator[object, None, None]:
        yield from self._by.client.pages(question, deadline=self._deadline())

    def _take(self, name: str, page: object, oldest: int, fresh: dict[int, Run]) -> bool:
        """Add a page's runs that are not remembered to `fresh`; returns whether there was none on it.

        A run that comes twice, on pages that shifted, counts once: as finished, if it ever is.
        """
        found, unread = runs.read_page(page, self._by.wall())
        self._by.telemetry.unread(COLLECTOR, unread)
        young = [run for run in found if run.created_at >= oldest]
        known = self._state.known(self._project.slug, name, {run.key for run in young})
        unknown = [run for run in young if run.key not in known]
        for run in unknown:
            if run.key not in fresh or (run.status and not fresh[run.key].status):
                fresh[run.key] = run
        return bool(found) and not unknown

    def _publish(self, began: float) -> None:
        """Commit what was learnt and show it, by the settings that hold now."""
        by, slug = self._by, self._project.slug
        with by.store.lock(slug):
            base = by.store.get(slug)
            if base is None or base.ledger is not self._snapshot.ledger:  # it was taken out meanwhile
                return
            merged = base
            if self._whole or self._remembered:
                try:
                    merged = replace(self._with_outcome(base, began), ledger=self._ledger)
                    self._state.commit_runs(merged, self._remembered, whole=self._whole)
                except StateError as error:
                    self._failed(error)
                    merged = base
            if merged is base:
                merged = self._with_outcome(base, began)
                self._state.commit(merged, (), ())
            self._poller.unsure.add(slug)
            by.store.publish([merged], by.wall())
            self._poller.unsure.discard(slug)
        by.reports.outcomes(base, merged)

    def _with_outcome(self, base: Snapshot, began: float) -> Snapshot:
        now, first = self._by.wall(), self._first
        old = base.outcomes.get(COLLECTOR)
        outcome = Outcome(
            success=first is None,
            duration=self._by.monotonic() - began,
            finished_at=now,
            last_success=now if first is None else old.last_success if old else None,
            error=str(first or ""),
            reason=first.reason if first else "",
        )
        facts = _newer(base.facts, self._facts)
        return replace(base, facts=facts, outcomes={**base.outcomes, COLLECTOR: outcome})


def _newer(mine: Facts | None, learnt: Facts | None) -> Facts | None:
    """The facts that were asked for later, with the branches of those that the other poll keeps."""
    if mine is None or learnt is None:
        return mine or learnt
    if mine.asked_at >= learnt.asked_at:
        return mine
    return replace(learnt, branches=mine.branches, branches_asked_at=mine.branches_asked_at)
