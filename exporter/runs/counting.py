"""Counting what looks at pipelines saw: each run, job and pipeline once. Pure.

A `Book` takes the ledger and the live side of one project, is told what was seen, and gives both anew with
exactly what changed, for one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.config import Project
from exporter.insights import run_families
from exporter.runs import branch_counters, watching
from exporter.runs import jobs as job_runs
from exporter.runs.branch_counters import FinishedRun
from exporter.runs.counters import Cell, Exemplar, Growth, Key, empty
from exporter.runs.critical_path import PHASES, critical_path
from exporter.runs.folding import known_status
from exporter.runs.jobs import Job
from exporter.runs.ledger import BranchCounters, Ledger, WorkflowLedger
from exporter.runs.live import Live, WatchedPipeline
from exporter.runs.pipelines import CREATED, ERRORED, OUTCOMES, WorkflowRun, branch_label, trigger_of
from exporter.runs.reading import key_of

PIPELINES, JOB_RUNS, JOB_PATH = (
    each.name for each in (run_families.PIPELINES_TOTAL, run_families.JOB_RUNS, run_families.JOB_CRITICAL_PATH)
)
JOB_DURATION, JOB_WAIT = run_families.JOB_RUN_DURATION.name, run_families.JOB_RUN_WAIT.name
SHOWN_AT_ONCE = ("success", "failed")
"""Statuses of jobs that are shown at 0 from the start; others when they are first met."""
LONGEST_HOLD = 60.0
FORGOTTEN_AFTER = 90 * 86_400.0
STEP_BACK = 5.0
"""Seconds by which CircleCI's clock must have gone back to have been set: its servers need not agree to the second."""
SHOWN_WITHIN = 86_400.0
"""Seconds within which Insights lists a run after its end."""


def hold_of(project: Project) -> float:
    """For how many seconds a new series is shown at 0."""
    return min(project.pipelines.interval, LONGEST_HOLD)


def rises_at(ledger: Ledger, live: Live, project: Project) -> float | None:
    """When the first of what is held back may be shown, Unix time; None where nothing is."""
    counters = (each for workflow in ledger.workflows.values() for each in workflow.branches.values())
    born = [each.born for each in counters if each.held is not None]
    born += [live.cells[key].born for key in live.held if key in live.cells]
    return min(born) + hold_of(project) if born else None


@dataclass(slots=True)
class Changes:
    """What one commit writes. Runs are rows of key, creation, and whether their credits have come."""

    workflows: set[str] = field(default_factory=set)
    whole: bool = False
    floors: dict[str, int] = field(default_factory=dict)
    runs: dict[str, dict[int, tuple[int, bool]]] = field(default_factory=dict)
    credited: dict[str, set[int]] = field(default_factory=dict)
    jobs: dict[int, int] = field(default_factory=dict)
    pipelines: dict[str, WatchedPipeline | None] = field(default_factory=dict)
    cells: dict[Key, Cell | None] = field(default_factory=dict)
    delays: list[tuple[str, float]] = field(default_factory=list)
    """Of the runs that were counted: who told of each first, and its stop."""

    def __bool__(self) -> bool:
        return self.whole or any(
            (self.workflows, self.runs, self.credited, self.floors, self.jobs, self.pipelines, self.cells)
        )


class Book:
    """The ledger and the live side of one project while something is added to them."""

    def __init__(
        self, ledger: Ledger, live: Live, project: Project, label: Callable[[str], str], *, now: float
    ) -> None:
        """`label` gives the label `branch` of a branch; `now` is this machine's time."""
        self.ledger, self.live, self.changes = ledger, live, Changes()
        self.label, self._project, self.now = label, project, now
        self._hold = hold_of(project)
        self._growth = Growth(live.cells, live.held, now, self._hold)
        self._bounds, self._wait_bounds = live.bounds, live.wait_bounds
        self._invented = list(ledger.invented)
        self._fitted: dict[Key, Cell | None] = {}

    def fitted(self, ledger: Ledger, live: Live) -> None:
        """Write what other settings have made of both, which are as they were stored."""
        self.changes.whole = self.ledger is not ledger
        if self.live is not live:
            cells = self.live.cells
            self._fitted = {key: cells.get(key) for key, cell in live.cells.items() if cells.get(key) is not cell}

    def dated(self, ahead: float) -> None:
        """Note that CircleCI has just said by how many seconds this machine's clock is `ahead` of its own.

        If its clock was set back since the first look, that was earlier by the clock that times what happens now.
        """
        began = self.live.began if self.live.began_at is None else self.live.began_at - ahead
        if began < self.live.began - STEP_BACK:
            self.live = replace(self.live, began=began)

    def pipeline(self, pipeline: WatchedPipeline) -> WatchedPipeline:
        """Count a pipeline that has an outcome, or has settled; returns it as it is to be watched."""
        if pipeline.counted or (pipeline.state not in OUTCOMES and pipeline.settled_at is None):
            return pipeline
        outcome = ERRORED if pipeline.state == ERRORED else CREATED
        labels = (self.branch_of(pipeline), trigger_of(pipeline.trigger))
        for each in OUTCOMES:
            self._growth.show(Key(PIPELINES, (labels[0], each, labels[1])), 0)
        self._growth.add(Key(PIPELINES, (labels[0], outcome, labels[1])), 1)
        return replace(pipeline, counted=True)

    def watch(self, pipeline: WatchedPipeline) -> None:
        """Keep a pipeline as it is now. That it was looked at again in vain is written with the next change."""
        known = self.live.pipelines.get(pipeline.id)
        if known != pipeline:
            if known is None or _matters(known, pipeline):
                self.changes.pipelines[pipeline.id] = pipeline
            self.live = replace(self.live, pipelines={**self.live.pipelines, pipeline.id: pipeline})

    def looked(self, identifier: str, *, failed: bool, proven: bool = True) -> bool:
        """Note how a look went; returns whether it has just set the pipeline aside.

        It may do so where it is `proven` that CircleCI answers other questions.
        """
        pipeline = self.live.pipelines[identifier]
        if not failed:
            self.watch(replace(pipeline, failures=0, failed_at=None))
            return False
        most = pipeline.failures + 1 if proven else max(pipeline.failures, watching.SET_ASIDE_AFTER - 1)
        failures = min(pipeline.failures + 1, most)
        self.watch(replace(pipeline, failures=failures, failed_at=self.now))
        return failures == watching.SET_ASIDE_AFTER > pipeline.failures

    def look_soon(self, identifier: str) -> None:
        pipeline = self.live.pipelines[identifier]
        if pipeline.wanted_at is None:
            self.watch(replace(pipeline, wanted_at=self.now, settled_at=None, revisits=0))

    def forget(self, identifiers: Collection[str]) -> None:
        gone = set(identifiers) & self.live.pipelines.keys()
        if gone:
            self.changes.pipelines.update(dict.fromkeys(gone))
            kept = {key: pipeline for key, pipeline in self.live.pipelines.items() if key not in gone}
            self.live = replace(self.live, pipelines=kept)

    def remember(self, name: str, key: int, created_at: float, *, credited: bool) -> None:
        if name not in self.ledger.workflows:
            self._keep(name, WorkflowLedger(self.ledger.began))
        self.changes.runs.setdefault(name, {})[key] = (int(created_at), credited)

    def count(self, name: str, branch: str, run: FinishedRun, told_by: str, *, credited: bool) -> None:
        run = replace(run, status=known_status(run.status, self._invented))
        counters = self._counters(name, branch, run.created_at)
        self._put(name, branch, branch_counters.counted(counters, run, self._bounds, self.now, self._hold))
        self.remember(name, run.key, run.created_at, credited=credited)
        if not credited:
            self.ask_again(name, run.created_at)
        if run.stopped_at is not None:
            self.changes.delays.append((told_by, run.stopped_at))

    def credit(self, name: str, branch: str, key: int, created_at: float, credits_used: float) -> None:
        if credits_used:
            counters = self._counters(name, branch, created_at)
            added = branch_counters.credited(counters, credits_used, self._bounds, self.now, self._hold)
            self._put(name, branch, added)
        self.changes.credited.setdefault(name, set()).add(key)

    def owed_since(self, name: str) -> float:
        """The creation of the oldest run of a workflow whose credits are waited for; now where there is none."""
        return min(
            (since for owing, since, until in self.live.owed if owing == name and self.now < until), default=self.now
        )

    def ask_again(self, name: str, created_at: float) -> None:
        """Have Insights asked again for a run, although it may be older then than what is asked for."""
        if self.now - created_at <= self._project.runs.lookback - SHOWN_WITHIN:
            return
        others = tuple(each for each in self.live.owed if each[0] != name and self.now < each[2])
        mine = (name, min(self.owed_since(name), created_at), self.now + 2 * SHOWN_WITHIN)
        self.live = replace(self.live, owed=(*others, mine))

    def release(self) -> None:
        self._growth.release()
        for name, workflow in self.ledger.workflows.items():
            for branch, counters in workflow.branches.items():
                after = branch_counters.released(counters, self.now, self._hold)
                if after is not counters:
                    self._put(name, branch, after)

    def close(self) -> None:
        """Take what has grown into the live side and the ledger; call it once, at the end."""
        cells = {**self.live.cells, **self._growth.changed}
        old = [key for key, cell in cells.items() if self.now - cell.grown_at > FORGOTTEN_AFTER]
        for key in old:
            del cells[key]
        self.changes.cells = {**self._fitted, **self._growth.changed, **dict.fromkeys(old)}
        if self.changes.cells:
            self.live = replace(self.live, cells=cells, held=self._growth.held)
        if tuple(self._invented) != self.ledger.invented:
            self.ledger = replace(self.ledger, invented=tuple(self._invented))

    def published(self, now: float) -> None:
        """Note that what was closed is published since `now`: what is new is shown at 0 from then on."""
        new = {key: cell for key, cell in self.changes.cells.items() if cell is not None and self._is_new(cell)}
        if new:
            born = {key: replace(cell, born=now) for key, cell in new.items()}
            self.live = replace(self.live, cells={**self.live.cells, **born})
        for name in self.changes.workflows & self.ledger.workflows.keys():
            workflow = self.ledger.workflows[name]
            branches = {key: replace(each, born=now) for key, each in workflow.branches.items() if self._is_new(each)}
            if branches:
                workflow = replace(workflow, branches={**workflow.branches, **branches})
                self.ledger = replace(self.ledger, workflows={**self.ledger.workflows, name: workflow})

    def _is_new(self, counted: Cell | BranchCounters) -> bool:
        return counted.born == self.now

    def is_past(
        self, name: str, created_at: float, stopped_at: float | None, *, tag: bool, appeared: bool = False
    ) -> bool:
        """Whether a run that nobody saw under way had ended before anything was counted, so that it never is.

        One that has `appeared` was not there at an earlier look.
        """
        workflow = self.ledger.workflows.get(name)
        if workflow is not None and created_at < workflow.floor:
            return True  # what was counted of those is no longer remembered
        if appeared:
            return False
        if tag or self.live.fresh or (workflow is not None and workflow.baseline):
            return (created_at if stopped_at is None else stopped_at) <= self.live.began
        return created_at < (self.ledger.began if workflow is None else workflow.since)

    def appear(self, name: str, branch: str, created_at: float) -> None:
        """Show the counters of a workflow on a branch, at 0 where there are none."""
        before = self._branches(name).get(branch)
        counters = branch_counters.appeared(before, self._bounds, created_at, self.now)
        if counters is not before:
            self._put(name, branch, counters)

    def jobs(
        self, run: WorkflowRun, branch: str, jobs: Iterable[Job], known: Collection[int], *, first: bool = False
    ) -> None:
        """Count the jobs of a run that have ended; `known` are the keys of those that are remembered.

        With `first` they are read for the first time: where no stop is known of one, it may have ended before anything
        was counted, if its run is that old.
        """
        read = job_runs.by_id(jobs)
        for job in read.values():
            if job.approval or job.carried_over(run.created_at) or not self._project.jobs.match(job.name):
                continue
            self._show_job(run.name, job.name, branch)
            key = key_of(job.id)
            if not job.counts(run.created_at) or key in known or key in self.changes.jobs:
                continue
            self.changes.jobs[key] = int(job.stopped_at or run.created_at)
            is_new = not first or run.created_at > self.live.began
            if is_new if job.stopped_at is None else job.stopped_at > self.live.began:
                wait = job_runs.wait_of(job, read, run.created_at) if run.dated else None
                self._count_job(run, branch, job, wait)

    def path(self, run: WorkflowRun, branch: str, jobs: Iterable[Job]) -> None:
        """Add the critical path of a run; it has none where the run's creation is not known."""
        if not run.dated:
            return
        for (name, phase), spent in critical_path(job_runs.by_id(jobs), run.created_at).items():
            if self._project.jobs.match(name):
                self._growth.add(Key(JOB_PATH, (branch, name, phase, run.name)), spent)

    def branch_of(self, pipeline: WatchedPipeline) -> str:
        return branch_label(pipeline.branch, pipeline.tag, self.label)

    def _show_job(self, workflow: str, name: str, branch: str) -> None:
        for status in SHOWN_AT_ONCE:
            self._growth.show(Key(JOB_RUNS, (branch, name, status, workflow)), 0)
        self._growth.show(Key(JOB_DURATION, (branch, name, workflow)), empty(self._bounds))
        self._growth.show(Key(JOB_WAIT, (branch, name, workflow)), empty(self._wait_bounds))
        for phase in PHASES:
            self._growth.show(Key(JOB_PATH, (branch, name, phase, workflow)))

    def _count_job(self, run: WorkflowRun, branch: str, job: Job, wait: float | None) -> None:
        status = job.status if job.status in job_runs.STATUSES else job_runs.OTHER
        self._growth.add(Key(JOB_RUNS, (branch, job.name, status, run.name)), 1)
        duration = job.duration
        if duration is not None and job.stopped_at is not None:
            exemplar = Exemplar(run.id, duration, job.stopped_at)
            self._growth.observe(Key(JOB_DURATION, (branch, job.name, run.name)), self._bounds, duration, exemplar)
        if wait is not None:
            self._growth.observe(Key(JOB_WAIT, (branch, job.name, run.name)), self._wait_bounds, wait)

    def _branches(self, name: str) -> Mapping[str, BranchCounters]:
        workflow = self.ledger.workflows.get(name)
        return {} if workflow is None else workflow.branches

    def _counters(self, name: str, branch: str, created_at: float) -> BranchCounters:
        return branch_counters.appeared(self._branches(name).get(branch), self._bounds, created_at, self.now)

    def _put(self, name: str, branch: str, counters: BranchCounters) -> None:
        workflow = self.ledger.workflows.get(name) or WorkflowLedger(self.ledger.began)
        self._keep(name, replace(workflow, branches={**workflow.branches, branch: counters}, unlisted_at=None))

    def _keep(self, name: str, workflow: WorkflowLedger) -> None:
        self.ledger = replace(self.ledger, workflows={**self.ledger.workflows, name: workflow})
        self.changes.workflows.add(name)


def _matters(known: WatchedPipeline, now: WatchedPipeline) -> bool:
    """Whether a pipeline has changed by more than that a look was in vain."""
    vain = replace(
        known, looked_at=now.looked_at, revisits=now.revisits, failures=now.failures, failed_at=now.failed_at
    )
    return vain != now or watching.is_set_aside(known) != watching.is_set_aside(now)
