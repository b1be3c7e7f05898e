"""What is kept of a workflow run once it has ended, until it is known what it was among the runs of its pipeline. Pure.

The runs of one pipeline and name are attempts, in the order of their creation. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from exporter.runs import jobs as job_runs
from exporter.runs.jobs import Job
from exporter.runs.pipelines import CANCELED, ERRORED, NOT_RUN, SUCCESS, WorkflowRun

AUTOMATIC, PARTIAL, FULL, OTHER = KINDS = ("automatic", "partial", "full", "other")
"""Label `kind` of a re-run; `other` is one by a person whose jobs nobody has read."""
FAILED = "failed"
RESULTS = (SUCCESS, FAILED, CANCELED, OTHER)
"""Label `result` of feedback."""
FAILURES = frozenset({FAILED, "timedout", "infrastructure_fail", job_runs.RETRIED})
"""Statuses of a job run that a later success of the same job redeems: then something was flaky."""
_VERDICTS = {FAILED: FAILED, "error": FAILED, CANCELED: CANCELED, SUCCESS: SUCCESS, NOT_RUN: SUCCESS}
_JOB_VERDICTS = {**dict.fromkeys(FAILURES, FAILED), "terminated-unknown": FAILED, CANCELED: CANCELED, SUCCESS: SUCCESS}

Ends = tuple[tuple[str, float], ...]
"""Job runs by name and stop."""


class Feedback(NamedTuple):
    """When nothing came of a run by itself any more, None where nothing ever did, and how it went until then."""

    at: float | None
    result: str


class EndedRun(NamedTuple):
    """A counted run that has ended. `since` is when that was seen, by this machine's time.

    `carried` says that it holds jobs of an earlier attempt, None where its jobs were not read. `seconds` is how long
    its job runs took, `failures` and `successes` are those that bear on flakes. With `told` it is known which attempt
    it was.
    """

    id: str
    status: str
    since: float
    carried: bool | None = None
    seconds: float = 0.0
    failures: Ends = ()
    successes: Ends = ()
    feedback: Feedback | None = None
    told: bool = False


def ended(
    run: WorkflowRun,
    jobs: Mapping[str, Job] | None,
    since: float,
    counts: Callable[[str], bool],
    *,
    held: bool,
    began: float = 0.0,
) -> EndedRun:
    """A run that has ended; `jobs` are all of its jobs by id.

    Those count whose name does, and that stopped after `began`. Without its jobs, nothing is known of what came of one
    that was `held` before an approval.
    """
    if jobs is None:
        known = None if held else Feedback(run.stopped_at, _verdict(run))
        return EndedRun(run.id, run.status, since, feedback=known)
    own = [job for job in jobs.values() if job.counts(run.created_at) and counts(job.name) and _stop(job, run) > began]
    carried = any(job.carried_over(run.created_at) for job in jobs.values())
    return EndedRun(
        run.id,
        run.status,
        since,
        carried,
        job_runs.seconds(sum(job.duration or 0.0 for job in own)),
        tuple(sorted((job.name, _stop(job, run)) for job in own if job.status in FAILURES)),
        tuple(sorted((job.name, _stop(job, run)) for job in own if job.status == SUCCESS)),
        feedback(run, jobs),
    )


def kind(run: WorkflowRun, ended: EndedRun) -> str:
    """The label `kind` of a re-run."""
    if run.automatic:
        return AUTOMATIC
    if ended.carried is None:
        return OTHER
    return PARTIAL if ended.carried else FULL


def groups(runs: Iterable[WorkflowRun]) -> dict[tuple[str, bool], list[WorkflowRun]]:
    """The attempts of each workflow of a pipeline, in their order; setup workflows are among their own."""
    found: dict[tuple[str, bool], list[WorkflowRun]] = {}
    for run in sorted(runs, key=lambda run: (run.created_at, run.id)):
        found.setdefault((run.name, run.setup), []).append(run)
    return found


def feedback(run: WorkflowRun, jobs: Mapping[str, Job]) -> Feedback | None:
    """What came of a run by itself, that is of its jobs that are not behind an approval; None while it is not over."""
    late = _behind_approvals(jobs)
    own = [job for job in jobs.values() if not job.approval and job.id not in late]
    held = any(job.approval for job in jobs.values())
    if not run.ended and not (held and all(job.ended for job in own) and not _is_tried_again(own)):
        return None
    stops = [job.stopped_at for job in own if job.status != job_runs.NOT_RUN and job.stopped_at is not None]
    if held:
        return Feedback(max(stops, default=None), _of_jobs(own))
    return Feedback(max(stops, default=run.stopped_at), _verdict(run))


def together(found: Iterable[Feedback], state: str) -> Feedback:
    """The feedback of a pipeline in a state from that of its workflows."""
    found = list(found)
    results = {each.result for each in found} | ({FAILED} if state == ERRORED else set())
    result = next((each for each in (FAILED, CANCELED, OTHER) if each in results), SUCCESS)
    return Feedback(max((each.at for each in found if each.at is not None), default=None), result)


def _verdict(run: WorkflowRun) -> str:
    return _VERDICTS.get(run.status, OTHER)


def _of_jobs(jobs: Iterable[Job]) -> str:
    ran = (job.status for job in jobs if job.status not in {job_runs.NOT_RUN, job_runs.RETRIED})
    results = {_JOB_VERDICTS.get(status, OTHER) for status in ran}
    return next((each for each in (FAILED, CANCELED, OTHER) if each in results), SUCCESS)


def _is_tried_again(jobs: Iterable[Job]) -> bool:
    """Whether another try of a job is about to be listed."""
    jobs = list(jobs)
    last = {job.name for job in jobs if job.status != job_runs.RETRIED}
    return any(job.name not in last for job in jobs)


def _behind_approvals(jobs: Mapping[str, Job]) -> set[str]:
    """The jobs that could not start before an approval was granted, be it that of another before them."""
    behind = {job.id for job in jobs.values() if job_runs.behind_approval(job, jobs)}
    while more := {
        job.id
        for job in jobs.values()
        if job.id not in behind and any(before.id in behind for before in job_runs.blockers(job, jobs))
    }:
        behind |= more
    return behind


def _stop(job: Job, run: WorkflowRun) -> float:
    return run.created_at if job.stopped_at is None else job.stopped_at
