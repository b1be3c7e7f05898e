"""What the jobs of a generated run do: a graph of jobs, and times that fill the run from its creation to its stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.demo.draws import draw, uuid_for
from exporter.demo.generated import last_job
from exporter.demo.pipelines.model import WorkflowJob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.demo.model import DemoJob, DemoWorkflow, Run

NEVER = 1e12
"""Unix seconds of what does not happen in this life."""
_RETRIED = 0.03
_APPROVED_AFTER = 0.1


@dataclass(frozen=True, slots=True)
class Finished:
    """What is carried over from a failed run: jobs by name, those that stand before the one with index `failed`."""

    jobs: Mapping[str, WorkflowJob]
    failed: int
    same_ids: bool


def requirements(jobs: Sequence[DemoJob]) -> list[tuple[int, ...]]:
    """Return the indices of the jobs that each one needs.

    The jobs up to an approval (or the end) are a diamond: the first, then all between, then the last. An approval
    needs what stands before it, and the next diamond needs the approval.
    """
    needed: list[tuple[int, ...]] = []
    begin = 0
    for index, job in enumerate(jobs):
        last = index + 1 == len(jobs) or jobs[index + 1].approval
        if index == 0:
            needed.append(())
        elif job.approval:
            needed.append((index - 1,))
            begin = index
        elif last and index - begin > 1:
            needed.append(tuple(range(begin + 1, index)))
        else:
            needed.append((begin,))
    return needed


def jobs_of(workflow: DemoWorkflow, run: Run, first_number: int, finished: Finished | None = None) -> list[WorkflowJob]:
    """Return the jobs of a run that ends as `run` does; what is `finished` already is carried over."""
    needed = requirements(workflow.jobs)
    begin = 0 if finished is None else finished.failed
    ending = max(begin, len(workflow.jobs) - 1 if workflow.steady else last_job(run, len(workflow.jobs)))
    spans = _spans(workflow, run, needed, _reached(needed, begin, ending))
    made: list[WorkflowJob] = []
    ids: list[str] = []
    for index, definition in enumerate(workflow.jobs):
        ident = uuid_for(f"{run.id}|job|{index}")
        needs = tuple(ids[each] for each in needed[index])
        if finished is not None and index < begin:
            kept = replace(finished.jobs[definition.name], dependencies=needs)
            made.append(kept if finished.same_ids else replace(kept, id=ident))
        else:
            job = _job(definition, run, ident, spans.get(index), is_ending=index == ending)
            number = None if definition.approval else first_number + index
            made += _attempts(replace(job, dependencies=needs, number=number), first_number + 10 + index)
        ids.append(made[-1].id)
    return made


def _reached(needed: list[tuple[int, ...]], begin: int, ending: int) -> list[int]:
    """Return the indices of the jobs that run: all but those that need the one with which the run ends."""
    unreached: set[int] = set()
    for index, needs in enumerate(needed):
        if not unreached.isdisjoint(needs) or ending in needs:
            unreached.add(index)
    return [index for index in range(begin, len(needed)) if index not in unreached]


def _spans(
    workflow: DemoWorkflow, run: Run, needed: list[tuple[int, ...]], reached: list[int]
) -> dict[int, tuple[float, float]]:
    """Return start and stop of each job that runs, in Unix seconds; of an approval both are its end."""

    def laid_out(factor: float, hold: float) -> dict[int, tuple[float, float]]:
        seconds = workflow.seconds * factor
        spans: dict[int, tuple[float, float]] = {}
        for index in reached:
            job = workflow.jobs[index]
            ready = max((spans[each][1] for each in needed[index] if each in spans), default=run.created)
            wait = seconds * 0.03 * draw(f"{run.id}|wait|{index}").uniform[0]
            start = ready + (hold if job.approval else wait)
            spans[index] = (start, start if job.approval else start + seconds * job.share)
        return spans

    approvals = [index for index in reached if workflow.jobs[index].approval]
    usual = laid_out(1.0, 0.0)
    if run.stopped is None:  # it is on hold for ever, at the first approval
        return {index: span for index, span in usual.items() if not approvals or index < approvals[0]}
    whole = max(0.0, run.stopped - run.created)
    length = max((stop for _, stop in usual.values()), default=run.created) - run.created
    hold = max(whole * _APPROVED_AFTER, whole - length) / len(approvals) if approvals else 0.0
    return laid_out((whole - hold * len(approvals)) / length if length else 0.0, hold)


def _job(
    definition: DemoJob, run: Run, ident: str, span: tuple[float, float] | None, *, is_ending: bool
) -> WorkflowJob:
    over = NEVER if run.stopped is None else run.stopped
    job = WorkflowJob(ident, definition.name, "success", "approval" if definition.approval else "build")
    if span is None:
        unreached = {None: "success", "success": "success", "canceled": "canceled"}.get(run.status, "not_run")
        return replace(job, status=unreached if run.stopped is not None else "success", ended=over)
    status = _ending_status(run) if is_ending else "success"
    if definition.approval:
        return replace(job, status=status if status in ("success", "canceled") else "not_run", ended=span[1])
    if status == "unauthorized":
        return replace(job, status=status, ended=over)
    late = 20 * draw(f"{run.id}|late").uniform[0] if status == "canceled" else 0.0
    return replace(job, status=status, started=span[0], stopped=span[1] + late)


def _ending_status(run: Run) -> str:
    chance = draw(f"{run.id}|ending").uniform[0]
    match run.status:
        case "failed":
            return "timedout" if chance < 0.08 else "infrastructure_fail" if chance < 0.12 else "failed"
        case "error":
            return "terminated-unknown"
        case status:
            return status or "success"


def _attempts(job: WorkflowJob, number: int) -> list[WorkflowJob]:
    """Let a job that ran be given up once, now and then, and run again."""
    if job.started is None or job.stopped is None or draw(f"{job.id}|retried").uniform[0] >= _RETRIED:
        return [job]
    middle = (job.started + job.stopped) / 2
    first = replace(job, id=uuid_for(f"{job.id}|first"), status="retried", stopped=middle)
    start = min(middle + 3, job.stopped)
    return [first, replace(job, number=number, started=start, listed=middle)]
