"""What the runs of one pipeline are to one another: re-runs, what they redeem, and what came of it all by itself. Pure.

It is decided when all runs of the pipeline were listed, never for one alone: an earlier one may not be known. What
is decided is marked in the watched pipeline, and committed with what it adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from exporter.config import Project
from exporter.counting.pipeline_book import PipelineBook
from exporter.insights import run_families
from exporter.runs import attempts
from exporter.runs.attempts import EndedRun, Feedback
from exporter.runs.live import WatchedPipeline
from exporter.runs.pipelines import NOT_RUN, SUCCESS, WorkflowRun
from exporter.runs.reading import key_of

FAILED = ("failed", "error")


def decide(
    pipeline: WatchedPipeline, runs: Sequence[WorkflowRun], book: PipelineBook, project: Project, *, over: bool
) -> WatchedPipeline:
    """Add what is known now of a pipeline, of which `runs` are all; returns it with what is still to be decided.

    It is `over` where no further workflow begins by itself.
    """
    branch = book.branch_of(pipeline)
    groups = attempts.groups(run for run in runs if project.workflows.match(run.name))
    ended = {each.id: each for each in pipeline.ended}
    rescued = set(pipeline.rescued)
    for group in groups.values():
        for place, run in enumerate(group):
            if run.id in ended:
                ended[run.id] = _told(ended[run.id], run, branch, book, again=place > 0)
        mine = group[0].name, group[0].setup
        if mine not in rescued and _is_rescued(group, ended):
            book.add(run_families.RESCUED, 1, branch=branch, workflow=group[0].name)
            rescued.add(mine)
        _redeem(group, ended, branch, book)
    fed_back = pipeline.fed_back or _feed_back(pipeline, [group[0] for group in groups.values()], book, over=over)
    under_way = {run.id for run in pipeline.runs}
    for group in groups.values():
        closed = True  # whether it is known of each attempt so far how it ended
        for place, run in enumerate(group):
            each = ended.get(run.id)
            closed = closed and run.ended and run.id not in under_way and (each is None or each.told)
            if each is not None and closed:
                waits = place == 0 and not fed_back
                ended[run.id] = each._replace(successes=(), feedback=each.feedback if waits else None)
                if not waits and not each.failures:
                    del ended[run.id]
    return replace(pipeline, ended=tuple(ended.values()), rescued=tuple(sorted(rescued)), fed_back=fed_back)


def _told(each: EndedRun, run: WorkflowRun, branch: str, book: PipelineBook, *, again: bool) -> EndedRun:
    if again and not each.told:
        labels = {"branch": branch, "workflow": run.name}
        kind = attempts.kind(run, each)
        book.add(run_families.RERUNS, 1, kind=kind, status=book.status(each.status), **labels)
        if each.seconds:
            book.add(run_families.RERUN_JOB_SECONDS, each.seconds, **labels)
        book.changes.reruns.setdefault(run.name, set()).add(key_of(run.id))
    return each._replace(told=True)


def _is_rescued(group: Sequence[WorkflowRun], ended: dict[str, EndedRun]) -> bool:
    """Whether a counted attempt succeeded after one that failed."""
    failed = False
    for run in group:
        if failed and run.id in ended and ended[run.id].status == SUCCESS:
            return True
        failed = failed or run.status in FAILED
    return False


def _redeem(group: Sequence[WorkflowRun], ended: dict[str, EndedRun], branch: str, book: PipelineBook) -> None:
    """Count the failed job runs whose job succeeded after them, in the same attempt or a later one."""
    for place, run in enumerate(group):
        if run.id not in ended:
            continue
        later = [success for each in group[place:] if each.id in ended for success in ended[each.id].successes]
        left = []
        for name, stop in ended[run.id].failures:
            if any(name == job and stop <= succeeded for job, succeeded in later):
                book.add(run_families.JOB_FLAKES, 1, branch=branch, job_name=name, workflow=run.name)
            else:
                left.append((name, stop))
        ended[run.id] = ended[run.id]._replace(failures=tuple(left))


def _feed_back(pipeline: WatchedPipeline, first: Sequence[WorkflowRun], book: PipelineBook, *, over: bool) -> bool:
    """Observe the feedback of a pipeline from its first attempts, once it is there; returns whether it is decided."""
    if pipeline.created_at <= book.live.began:
        return True
    known: dict[str, Feedback | None] = {run.id: run.feedback for run in pipeline.runs}
    ended = {run.id: run.feedback for run in pipeline.ended}
    found: list[Feedback] = []
    for run in first:
        if run.id in ended or (run.ended and run.id not in known):
            told = Feedback(None, SUCCESS) if run.status == NOT_RUN else ended.get(run.id)
            if told is None:
                return True  # nobody knows
        else:
            told = known.get(run.id)
            if told is None:
                return False
        found.append(told)
    if not over:
        return False
    at, result = attempts.together(found, pipeline.state)
    if at is not None and at >= pipeline.created_at:
        book.observe(
            run_families.FEEDBACK, round(at - pipeline.created_at, 6), branch=book.branch_of(pipeline), result=result
        )
    return True
