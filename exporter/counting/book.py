"""The book of one project: told of runs, it counts each once, and says what is to be committed and shown. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter

from exporter.config import Project
from exporter.counting.cells import Cell, CellBook, Distribution, Exemplar, Key, Number, Value, empty, hold_of
from exporter.counting.ledger import (
    FURTHEST,
    INVENTED,
    OTHER_STATUS,
    BranchFacts,
    FinishedRun,
    Ledger,
    WorkflowLedger,
)
from exporter.counting.room import Room
from exporter.insights import run_families
from exporter.insights.collectors import PIPELINES
from exporter.insights.family import Family
from exporter.runs.branches import is_named, is_single
from exporter.runs.live import WatchedPipeline
from exporter.runs.reading import STATUSES

OF_RUNS = frozenset(family.name for family in run_families.RUNS)
"""Families whose cells live as long as the facts of their workflow and branch."""


def key(family: Family, labels: dict[str, str]) -> Key:
    """The series of a family with these labels."""
    return Key(family.name, tuple(labels[name] for name in family.own))


def zero(family: Family, project: Project) -> Value:
    """What a series of a family begins with."""
    return empty(bounds_of(family, project)) if family.buckets else 0


def bounds_of(family: Family, project: Project) -> tuple[float, ...]:
    """The buckets that a project's settings give a histogram."""
    bounds: tuple[float, ...] = attrgetter(family.buckets)(project)
    return bounds


def hold(project: Project) -> float:
    """For how many seconds a new series of a project is shown at 0."""
    return hold_of(project.pipelines.interval if PIPELINES in project.collectors else project.runs.interval)


def rises_at(ledger: Ledger, project: Project) -> float | None:
    """When the first of what is held back may be shown, Unix time; None where nothing is."""
    return ledger.cells.rises_at(hold(project))


@dataclass(slots=True)
class Changes:
    """What one commit writes. Runs are rows of key, creation, and whether their credits have come."""

    workflows: set[str] = field(default_factory=set)
    whole: bool = False
    floors: dict[str, int] = field(default_factory=dict)
    runs: dict[str, dict[int, tuple[int, bool]]] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)
    """Of these runs: a commit is refused where one of them was remembered before."""
    credited: dict[str, set[int]] = field(default_factory=dict)
    jobs: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """Job runs by key: the stop, and whether CircleCI's Usage export is due to have them too."""
    reruns: dict[str, set[int]] = field(default_factory=dict)
    """Runs that are found to be re-runs; their credits are to count as such, too."""
    pipelines: dict[str, WatchedPipeline | None] = field(default_factory=dict)
    cells: dict[Key, Cell | None] = field(default_factory=dict)
    delays: list[tuple[str, float]] = field(default_factory=list)
    """Of the runs that were counted: who told of each first, and its stop."""
    missed: list[str] = field(default_factory=list)
    """The ids of those that only Insights has told of."""

    def __bool__(self) -> bool:
        return self.whole or any(
            (self.workflows, self.runs, self.credited, self.floors, self.jobs, self.pipelines, self.cells)
        )


class RunBook:
    """The ledger of one project while something is added to it. `changes` are complete once it is closed."""

    def __init__(
        self,
        ledger: Ledger,
        project: Project,
        label: Callable[[str], str],
        *,
        now: float,
        held_for: float | None = None,
        limit: int = sys.maxsize,
    ) -> None:
        """`label` gives the label `branch` of a branch; `now` is this machine's time.

        New series are shown at 0 as long as the settings say, or are `held_for` so many seconds, and only where those
        that are shown leave room: there may be `limit` of them.

        What was counted with other settings is fitted to these: a branch that has no name of its own any more goes, a
        histogram whose buckets or durations are others begins at 0 again.
        """
        self._ledger, self.changes = ledger, Changes()
        self.label, self._project, self.now, self._limit = label, project, now, limit
        self._cells = CellBook(ledger.cells, now, hold(project) if held_for is None else held_for)
        self._invented = list(ledger.invented)
        self._shown: set[tuple[str, str]] = set()
        self._fit()

    @property
    def ledger(self) -> Ledger:
        """What is known and counted; its cells are as they were until the book is closed."""
        return self._ledger

    def add(self, family: Family, amount: Number, **labels: str) -> None:
        """Let a counter grow."""
        self._cells.add(key(family, labels), amount)

    def observe(self, family: Family, value: Number, exemplar: Exemplar | None = None, **labels: str) -> None:
        """Let a histogram have one more observation."""
        self._cells.add(key(family, labels), empty(bounds_of(family, self._project)).observed(value, exemplar))

    def show(self, family: Family, **labels: str) -> None:
        """Let a series appear at 0, unless it is there."""
        self._cells.show(key(family, labels), zero(family, self._project))

    def appear(self, name: str, branch: str, created_at: float) -> None:
        """Show the counters of a workflow on a branch, at 0 where there are none."""
        if (name, branch) not in self._shown:
            self._shown.add((name, branch))
            for status in STATUSES:
                self.show(run_families.RUNS_TOTAL, branch=branch, status=status, workflow=name)
            for family in (run_families.RUN_DURATION, run_families.RUN_CREDITS):
                self.show(family, branch=branch, workflow=name)
        facts = self._workflow(name).branches.get(branch)
        if facts is None:
            self._put(name, branch, BranchFacts(int(created_at)))
        elif facts.seen < int(created_at):
            self._put(name, branch, replace(facts, seen=int(created_at)))

    def count(self, name: str, branch: str, run: FinishedRun, told_by: str, *, credited: bool) -> None:
        """Count a run that nothing has counted; it is `credited` where its credits have come, or never will."""
        self.pass_over(name, branch, run, credited=credited)
        self.changes.counted.add(run.key)
        status = self.status(run.status)
        self.add(run_families.RUNS_TOTAL, 1, branch=branch, status=status, workflow=name)
        if run.duration is not None and run.measured:
            self.observe(run_families.RUN_DURATION, run.duration, run.exemplar, branch=branch, workflow=name)
        if run.credits:
            self.add(run_families.RUN_CREDITS, run.credits, branch=branch, workflow=name)
        if run.stopped_at is not None:
            self.changes.delays.append((told_by, run.stopped_at))

    def pass_over(self, name: str, branch: str, run: FinishedRun, *, credited: bool = True) -> None:
        """Remember a run, and show it where it is the newest, without counting it."""
        self.appear(name, branch, run.created_at)
        facts = self._workflow(name).branches[branch]
        after = facts.with_run(run, self.now)
        if after != facts:
            self._put(name, branch, after)
        self.judge(name, branch, run)
        self.remember(name, run.key, run.created_at, credited=credited)

    def judge(self, name: str, branch: str, run: FinishedRun) -> None:
        """Note what a finished run says of whether its branch is red, be it counted or not."""
        if is_single(branch):
            facts = self._workflow(name).branches.get(branch) or BranchFacts(int(run.created_at))
            after = facts.judged(run)
            if after is not facts and after.row:
                self._put(name, branch, after)

    def remember(self, name: str, key: int, created_at: float, *, credited: bool) -> None:
        if name not in self.ledger.workflows:
            self._keep(name, self._workflow(name))
        self.changes.runs.setdefault(name, {})[key] = (int(created_at), credited)

    def credit(
        self, name: str, branch: str, key: int, created_at: float, credits_used: Number, *, rerun: bool = False
    ) -> None:
        """Add the credits of a run that was counted before they came."""
        if credits_used:
            self.appear(name, branch, created_at)
            self.add(run_families.RUN_CREDITS, credits_used, branch=branch, workflow=name)
            if rerun:
                self.add(run_families.RERUN_CREDITS, credits_used, branch=branch, workflow=name)
        self.changes.credited.setdefault(name, set()).add(key)

    def list_names(self, names: Collection[str], now: float) -> None:
        """Take up the workflows that are listed, and give up those that have not been for as long as runs are kept."""
        self._ledger = self.ledger.named(names, now)
        self.changes.whole = True
        self._drop_lost()

    def read(
        self,
        name: str,
        created: Collection[int],
        *,
        now: float,
        start: int,
        swept: bool = True,
        waiting: Iterable[float] = (),
    ) -> None:
        """Note that a workflow's list was read to its end, as `WorkflowLedger.read` has it."""
        before, lookback = self._workflow(name), self._project.runs.lookback
        after = before.read(created, now=now, start=start, lookback=lookback, swept=swept, waiting=waiting)
        self._keep(name, after)
        if swept:
            self.changes.floors[name] = after.floor
        if after.branches.keys() != before.branches.keys():
            self._drop_lost()

    def values(self) -> Iterator[tuple[Key, Value]]:
        """What has grown or appeared so far."""
        return ((key, cell.value) for key, cell in self._cells.changed.items() if cell is not None)

    def release(self) -> None:
        """Show what was held back for long enough."""
        self._cells.release()

    def close(self) -> None:
        """Take what has grown into the ledger; call it once, at the end."""
        self._cells.drop_old(self.now - FURTHEST, but=OF_RUNS)
        if waiting := self._cells.waiting():
            self._cells.hide(Room(self._project, self.ledger.cells, self._limit).refused(waiting))
        self.changes.cells = self._cells.changed
        self._ledger = replace(self.ledger, cells=self._cells.closed(), invented=tuple(self._invented))

    def published(self, now: float) -> None:
        """Note that what was closed is published since `now`: what is new is shown at 0 from then on."""
        cells = self._cells.published(self.ledger.cells, now)
        if cells is not self.ledger.cells:
            self._ledger = replace(self.ledger, cells=cells)

    def _fit(self) -> None:
        cells, by_stop = self.ledger.cells.values, PIPELINES in self._project.collectors
        known = {branch for key in cells for branch in key.labels[:1]}  # it is the first label, where there is any
        gone = {branch for branch in known if not is_named(branch, self.label)}
        if gone:
            self._cells.drop_where(lambda key, _: not gone.isdisjoint(key.labels[:1]))
        bounds = {each.name: bounds_of(each, self._project) for each in run_families.COUNTED if each.buckets}
        anew = run_families.RUN_DURATION.name if self.ledger.by_stop != by_stop else ""
        for each, cell in cells.items():
            if each.family in bounds and each.labels[0] not in gone:
                wanted, value = bounds[each.family], cell.value
                if isinstance(value, Distribution) and (value.bounds != wanted or each.family == anew):
                    self._cells.begin(each, empty(wanted))
        self._ledger = replace(self.ledger, by_stop=by_stop)
        for name, workflow in self.ledger.workflows.items():
            branches = {branch: each for branch, each in workflow.branches.items() if is_named(branch, self.label)}
            if len(branches) < len(workflow.branches):
                self._keep(name, replace(workflow, branches=branches))

    def _drop_lost(self) -> None:
        """Let the counters go whose workflow or branch is known no longer."""
        workflows = self.ledger.workflows

        def lost(key: Key, _: Cell) -> bool:
            if key.family not in OF_RUNS:
                return False
            workflow = workflows.get(key.labels[-1])
            return workflow is None or key.labels[0] not in workflow.branches

        self._cells.drop_where(lost)
        self._shown = {(name, branch) for name, branch in self._shown if branch in self._workflow(name).branches}

    def status(self, status: str) -> str:
        """The label `status`; the API may invent ten of its own."""
        if status in STATUSES or status in self._invented:
            return status
        if len(self._invented) == INVENTED:
            return OTHER_STATUS
        self._invented.append(status)
        return status

    def _workflow(self, name: str) -> WorkflowLedger:
        return self.ledger.workflows.get(name) or WorkflowLedger(self.ledger.began)

    def _put(self, name: str, branch: str, facts: BranchFacts) -> None:
        workflow = self._workflow(name)
        self._keep(name, replace(workflow, branches={**workflow.branches, branch: facts}, unlisted_at=None))

    def _keep(self, name: str, workflow: WorkflowLedger) -> None:
        self._ledger = replace(self.ledger, workflows={**self.ledger.workflows, name: workflow})
        self.changes.workflows.add(name)
