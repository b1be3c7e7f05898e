"""The book of a project whose pipelines are watched: it counts them and their jobs too. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from exporter.config import Project
from exporter.counting.book import RunBook
from exporter.counting.cells import Exemplar
from exporter.counting.ledger import FURTHEST, FinishedRun, Ledger
from exporter.insights import run_families
from exporter.runs import attempts, watching, whole
from exporter.runs import jobs as job_runs
from exporter.runs.branches import branch_label
from exporter.runs.critical_path import PHASES, critical_path
from exporter.runs.jobs import Job
from exporter.runs.live import INSIGHTS, Live, WatchedPipeline
from exporter.runs.pipelines import CREATED, ERRORED, OUTCOMES, WorkflowRun, trigger_of
from exporter.runs.reading import key_of

SHOWN_AT_ONCE = ("success", "failed")
"""Statuses of jobs and re-runs, and results, that are shown at 0 from the start; others when they are first met."""
STEP_BACK = 5.0
"""Seconds by which CircleCI's clock must have gone back to have been set: its servers need not agree to the second."""
SHOWN_WITHIN = 86_400.0
"""Seconds within which Insights lists a run after its end."""


class PipelineBook(RunBook):
    """The ledger and the live side of one project while something is added to them."""

    def __init__(
        self,
        ledger: Ledger,
        live: Live,
        project: Project,
        label: Callable[[str], str],
        *,
        now: float,
        limit: int = sys.maxsize,
    ) -> None:
        self._live = live
        super().__init__(ledger, project, label, now=now, limit=limit)

    @property
    def live(self) -> Live:
        """What is under way, and what else is known of pipelines."""
        return self._live

    def begin(self) -> None:
        """Write all of it, as at the first look."""
        self.changes.whole = True

    def dated(self, ahead: float) -> None:
        """Note that CircleCI has just said by how many seconds this machine's clock is `ahead` of its own.

        If its clock was set back since the first look, that was earlier by the clock that times what happens now.
        Where other job runs are kept than before, those of before are not all there.
        """
        began = self.live.began if self.live.began_at is None else self.live.began_at - ahead
        if began < self.live.began - STEP_BACK:
            self._live = replace(self.live, began=began)
        chosen = whole.chosen(self._project)
        if self.live.chosen != chosen:
            self._live = replace(self.live, whole_from=self.now - ahead, chosen=chosen)
            self.begin()

    def pipeline(self, pipeline: WatchedPipeline) -> WatchedPipeline:
        """Count a pipeline that has an outcome, or has settled; returns it as it is to be watched."""
        if pipeline.counted or (pipeline.state not in OUTCOMES and pipeline.settled_at is None):
            return pipeline
        outcome = ERRORED if pipeline.state == ERRORED else CREATED
        branch, trigger = self.branch_of(pipeline), trigger_of(pipeline.trigger)
        for each in OUTCOMES:
            self.show(run_families.PIPELINES_TOTAL, branch=branch, outcome=each, trigger=trigger)
        for each in SHOWN_AT_ONCE:
            self.show(run_families.FEEDBACK, branch=branch, result=each)
        self.add(run_families.PIPELINES_TOTAL, 1, branch=branch, outcome=outcome, trigger=trigger)
        return replace(pipeline, counted=True)

    def watch(self, pipeline: WatchedPipeline) -> None:
        """Keep a pipeline as it is now. That it was looked at again in vain is written with the next change."""
        known = self.live.pipelines.get(pipeline.id)
        if known != pipeline:
            if known is None or _matters(known, pipeline):
                self.changes.pipelines[pipeline.id] = pipeline
            self._live = replace(self.live, pipelines={**self.live.pipelines, pipeline.id: pipeline})

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

    def look_soon(self, identifier: str, shown: str = "") -> None:
        """Have a pipeline looked at; Insights has `shown` a run of it, if one is named."""
        pipeline = self.live.pipelines[identifier]
        if shown and shown not in pipeline.shown and pipeline.looked_at is not None:
            pipeline = replace(pipeline, shown=(*pipeline.shown, shown))
            self.watch(pipeline)
        if pipeline.wanted_at is None:
            self.watch(replace(pipeline, wanted_at=self.now, settled_at=None, revisits=0))

    def met(self, created_at: float) -> None:
        """Note the creation of a pipeline that a list has shown."""
        if self.live.newest_at is None or created_at > self.live.newest_at:
            self._live = replace(self.live, newest_at=created_at)

    def walked(self, now: float) -> None:
        """Note that the project's list was walked to its end."""
        self._live = replace(self.live, listed_at=now)

    def covered(self, now: float) -> None:
        """Note that the list of the organization shows that nothing is missing."""
        self._live = replace(self.live, covered_at=now)

    def forget(self, identifiers: Collection[str], floor: float) -> None:
        """Watch some pipelines no longer; of those created before `floor` none is remembered."""
        gone = set(identifiers) & self.live.pipelines.keys()
        kept = self.live.pipelines
        if gone:
            self.changes.pipelines.update(dict.fromkeys(gone))
            kept = {key: pipeline for key, pipeline in kept.items() if key not in gone}
        self._live = replace(self.live, pipelines=kept, floor=max(self.live.floor, floor))

    def appear(self, name: str, branch: str, created_at: float) -> None:
        if (name, branch) not in self._shown:
            for kind in attempts.KINDS[:-1]:
                for status in SHOWN_AT_ONCE:
                    self.show(run_families.RERUNS, branch=branch, kind=kind, status=status, workflow=name)
            for family in (run_families.RERUN_JOB_SECONDS, run_families.RERUN_CREDITS, run_families.RESCUED):
                self.show(family, branch=branch, workflow=name)
        super().appear(name, branch, created_at)

    def count(self, name: str, branch: str, run: FinishedRun, told_by: str, *, credited: bool) -> None:
        super().count(name, branch, run, told_by, credited=credited)
        if not credited:
            self.ask_again(name, run.created_at)
        if told_by == INSIGHTS:
            self.add(run_families.MISSED_RUNS, 1)
            self.changes.missed.append(run.id)

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
        self._live = replace(self.live, owed=(*others, mine))

    def list_names(self, names: Collection[str], now: float) -> None:
        """Take up the workflows that are listed; one that ran lately stays: Insights does not list those of tags."""
        listed = set(names)
        for name, workflow in self.ledger.workflows.items():
            seen = [each for each in (workflow.newest, *(each.seen for each in workflow.branches.values())) if each]
            if seen and now - max(seen) < FURTHEST:
                listed.add(name)
        super().list_names(listed, now)

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
            ran = job.started_at is not None and job.stopped_at is not None
            self.changes.jobs[key] = int(job.stopped_at or run.created_at), ran
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
                labels = {"branch": branch, "job_name": name, "phase": phase, "workflow": run.name}
                self.add(run_families.JOB_CRITICAL_PATH, spent, **labels)

    def branch_of(self, pipeline: WatchedPipeline) -> str:
        return branch_label(pipeline.branch, pipeline.tag, self.label)

    def _show_job(self, workflow: str, name: str, branch: str) -> None:
        for status in SHOWN_AT_ONCE:
            self.show(run_families.JOB_RUNS, branch=branch, job_name=name, status=status, workflow=workflow)
        for family in (run_families.JOB_FLAKES, run_families.JOB_RUN_DURATION, run_families.JOB_RUN_WAIT):
            self.show(family, branch=branch, job_name=name, workflow=workflow)
        for phase in PHASES:
            self.show(run_families.JOB_CRITICAL_PATH, branch=branch, job_name=name, phase=phase, workflow=workflow)

    def _count_job(self, run: WorkflowRun, branch: str, job: Job, wait: float | None) -> None:
        status = job.status if job.status in job_runs.STATUSES else job_runs.OTHER
        labels = {"branch": branch, "job_name": job.name, "workflow": run.name}
        self.add(run_families.JOB_RUNS, 1, status=status, **labels)
        duration = job.duration
        if duration is not None and job.stopped_at is not None:
            exemplar = Exemplar(run.id, duration, job.stopped_at)
            self.observe(run_families.JOB_RUN_DURATION, duration, exemplar, **labels)
        if wait is not None:
            self.observe(run_families.JOB_RUN_WAIT, wait, None, **labels)


def _matters(known: WatchedPipeline, now: WatchedPipeline) -> bool:
    """Whether a pipeline has changed by more than that a look was in vain."""
    vain = replace(
        known, looked_at=now.looked_at, revisits=now.revisits, failures=now.failures, failed_at=now.failed_at
    )
    return vain != now or watching.is_set_aside(known) != watching.is_set_aside(now)
