"""The records of pipelines, workflows and jobs, and what each of them looks like at a moment.

A record with a final status and an end in the future is under way until then: what it looks like meanwhile follows
from its times and from its dependencies. A record with another status looks as it was given, until it is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.demo.model import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENDED = (*FINISHED, "not_run")
"""Statuses in which a workflow has ended."""
JOB_ENDED = (*ENDED, "infrastructure_fail", "timedout", "terminated-unknown", "retried")
"""Statuses in which a job has ended."""
_BROKEN = ("failed", "infrastructure_fail", "timedout", "terminated-unknown")


@dataclass(frozen=True, slots=True)
class DemoPipeline:
    """A pipeline. Times are Unix seconds."""

    id: str
    slug: str
    number: int
    created: float
    branch: str | None = "main"
    tag: str | None = None
    state: str = "created"
    before: tuple[tuple[str, float], ...] = ()
    """Earlier states, oldest first, each with the time at which it ended."""
    source: str = "vcs"
    """Where its branch or tag is written: vcs, git (in trigger_parameters, as for the GitHub App), or none; with
    unfetched nowhere, since there was no configuration."""
    trigger: str = "webhook"
    actor: str = "octo"
    errors: tuple[tuple[str, str], ...] = ()
    """Type and message of each."""

    def seen(self, at: float) -> DemoPipeline:
        """Return the pipeline as it looks at that time."""
        return next((replace(self, state=state) for state, until in self.before if at < until), self)


@dataclass(frozen=True, slots=True)
class PipelineWorkflow:
    """A run of a workflow. One that Insights lists has the time `shown`; what follows it is known to Insights alone."""

    id: str
    pipeline_id: str
    name: str
    created: float
    status: str = "running"
    stopped: float | None = None
    queued_until: float | None = None
    """The end of its wait for others of its serial group."""
    setup: bool = False
    auto_rerun_number: int | None = None
    max_auto_reruns: int | None = None
    dated: bool = True
    """Now and then CircleCI writes a failed one without times."""
    shown: float | None = None
    credits: int = 0
    duration: int | None = None
    is_approval: bool = False

    def seen(self, at: float, jobs: Iterable[WorkflowJob]) -> PipelineWorkflow:
        """Return the workflow as it looks at that time; `jobs` are its own, as they look then."""
        if self.status not in ENDED or self.stopped is None or self.stopped <= at:
            return self
        if self.queued_until is not None and at < self.queued_until:
            return replace(self, status="queued", stopped=None)
        return replace(self, status=_under_way({job.status for job in jobs}), stopped=None)


def _under_way(jobs: set[str]) -> str:
    open_jobs = jobs.difference(JOB_ENDED)
    if "on_hold" in open_jobs and open_jobs <= {"on_hold", "blocked"}:
        return "on_hold"
    return "failing" if jobs.intersection(_BROKEN) else "running"


@dataclass(frozen=True, slots=True)
class WorkflowJob:
    """A job in a workflow's list. One that was carried over from another run may have the id that it has there."""

    id: str
    name: str
    status: str = "blocked"
    type: str = "build"
    number: int | None = None
    started: float | None = None
    stopped: float | None = None
    dependencies: tuple[str, ...] = ()
    """Ids of jobs of the same workflow."""
    ended: float | None = None
    """The end of what has no stop: an approval, a job that was canceled before it started or was not run."""
    listed: float = 0.0
    """The list has it from this time on: another attempt comes when the one before it was given up."""

    @property
    def over(self) -> float | None:
        """The time from which on it looks as it was given, None for always."""
        if self.status not in JOB_ENDED:
            return None
        return self.ended if self.stopped is None else self.stopped


def seen_jobs(jobs: Sequence[WorkflowJob], at: float, *, queued: bool = False) -> list[WorkflowJob]:
    """Return a workflow's jobs as they look at that time; those of a workflow that is `queued` are all blocked."""
    done = {job.id for job in jobs if job.over is None or job.over <= at if job.status in JOB_ENDED}
    return [_seen_job(job, at, done, queued=queued) for job in jobs if job.listed <= at]


def _seen_job(job: WorkflowJob, at: float, done: set[str], *, queued: bool) -> WorkflowJob:
    if job.over is None or job.over <= at:
        return job
    if job.started is not None and job.started <= at:
        return replace(job, status="running", stopped=None)
    waiting = replace(job, started=None, stopped=None, number=None)
    if queued or not done.issuperset(job.dependencies):
        return replace(waiting, status="blocked")
    return replace(waiting, status="on_hold" if job.type == "approval" else "queued")
