"""The sample lines of what happens now: runs and jobs in progress."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from exporter.insights import run_families
from exporter.insights.collectors import PIPELINES
from exporter.publishing.sections import FamilyLines, sample
from exporter.runs import jobs as job_runs
from exporter.runs import pipelines, watching
from exporter.runs.branches import branch_label, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exporter.config import Project
    from exporter.insights.family import Family
    from exporter.knowledge.snapshots import Snapshot
    from exporter.runs.live import Live, WatchedPipeline, WatchedRun

IN_PROGRESS = (run_families.RUNS_IN_PROGRESS.name, run_families.OLDEST_RUN_IN_PROGRESS.name)
JOB_STATUSES = (*job_runs.UNDER_WAY, job_runs.OTHER)


def expires_at(pipeline: WatchedPipeline, project: Project) -> float | None:
    """When what is under way of a pipeline is too old to be shown, Unix time; None while it was never looked at."""
    return None if pipeline.looked_at is None else pipeline.looked_at + project.staleness(PIPELINES)


def under_way(live: Live, project: Project, now: float) -> tuple[list[WatchedPipeline], list[WatchedPipeline]]:
    """The pipelines with something under way, in the order of their creation: looked at lately, and too long ago.

    One that was set aside is then in neither: it would hide all others until the lookback ends.
    """
    found = sorted(live.pipelines.values(), key=lambda pipeline: (pipeline.created_at, pipeline.id))
    fresh: list[WatchedPipeline] = []
    stale: list[WatchedPipeline] = []
    for pipeline in found:
        if pipeline.runs:
            expiry = expires_at(pipeline, project)
            if expiry is not None and now < expiry:
                fresh.append(pipeline)
            elif not watching.is_set_aside(pipeline):
                stale.append(pipeline)
    return fresh, stale


def counters_expire_at(live: Live, project: Project) -> float:
    """When counters are too old to be shown, since the list could not be read; Unix time."""
    return max(live.listed_at or 0.0, live.covered_at or 0.0) + project.staleness(PIPELINES)


def is_complete(live: Live, project: Project, now: float) -> bool:
    """Whether all that is under way is known. A sum over a part of it would be a wrong number.

    A pipeline that was set aside has no part in it, as long as others are looked at.
    """
    found = live.pipelines.values()
    if now >= counters_expire_at(live, project) or any(map(watching.unseen, found)):
        return False
    return not any(map(watching.is_set_aside, found)) or any(
        each.failed_at is None and (expiry := expires_at(each, project)) is not None and now < expiry for each in found
    )


def expiries(live: Live, project: Project) -> Iterator[float]:
    """When something becomes too old to be shown, in Unix seconds."""
    yield counters_expire_at(live, project)
    for pipeline in live.pipelines.values():
        if pipeline.runs and (expiry := expires_at(pipeline, project)) is not None:
            yield expiry


def runs_in_progress(
    snapshot: Snapshot,
    shown: Iterable[tuple[str, str]],
    fresh: Sequence[WatchedPipeline],
    stale: Sequence[WatchedPipeline],
) -> Mapping[tuple[str, ...], tuple[tuple[str, float], ...]]:
    """The status and creation of the runs under way, by each shown workflow and branch.

    Of what could not be looked at for too long nothing is shown: it may have ended.
    """
    label = labels_of(snapshot.project, snapshot.facts.default_branch if snapshot.facts else "")
    runs, unknown = _by_branch(fresh, label), _by_branch(stale, label)
    return {each: tuple(runs.get(each, ())) for each in shown if each not in unknown}


def runs_row(project: Project, key: tuple[str, ...], runs: Sequence[tuple[str, float]]) -> list[FamilyLines]:
    """The runs in progress of one workflow and branch, by status: 0 where there are none."""
    workflow, branch = key
    return _wanted(project, _runs(project.name, workflow, branch, runs))


def jobs_rows(project: Project, fresh: Iterable[WatchedPipeline], *, known: bool) -> Iterator[list[FamilyLines]]:
    """The project's jobs in progress; nothing where they are not asked for, or not all of them are `known`."""
    if project.pipelines.jobs and known:  # what is not asked for is not 0
        yield _wanted(project, _jobs(project.name, [run for pipeline in fresh for run in pipeline.runs]))


def _by_branch(
    watched: Iterable[WatchedPipeline], label: Callable[[str], str]
) -> Mapping[tuple[str, str], list[tuple[str, float]]]:
    """Status and creation of the runs under way; one that was canceled is none, though its jobs are."""
    runs: defaultdict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for pipeline in watched:
        branch = branch_label(pipeline.branch, pipeline.tag, label)
        for run in pipeline.runs:
            if run.ended_seen_at is None:
                runs[run.name, branch].append((run.status, run.created_at))
    return runs


def _runs(project: str, workflow: str, branch: str, runs: Sequence[tuple[str, float]]) -> Iterator[FamilyLines]:
    counts = Counter(pipelines.shown_status(status) for status, _ in runs)
    for status in pipelines.UNDER_WAY:
        yield _of(run_families.RUNS_IN_PROGRESS, (branch, project, status, workflow), counts[status])
    if runs:
        oldest = min(created_at for _, created_at in runs)
        yield _of(run_families.OLDEST_RUN_IN_PROGRESS, (branch, project, workflow), oldest)


def _jobs(project: str, runs: Sequence[WatchedRun]) -> Iterator[FamilyLines]:
    counts = Counter[str]()
    for run in runs:
        counts.update(dict(run.jobs))
    for status in JOB_STATUSES:
        yield _of(run_families.JOBS_IN_PROGRESS, (project, status), counts[status])
    waiting = [(run.waiting_since, run.waiting_job, run.name) for run in runs if run.waiting_since is not None]
    if waiting:
        since, job, workflow = min(waiting)
        yield _of(run_families.OLDEST_WAITING_JOB, (project,), since)
        yield _of(run_families.WAITING_JOB_INFO, (job, project, workflow), 1)


def _wanted(project: Project, lines: Iterable[FamilyLines]) -> list[FamilyLines]:
    return [line for line in lines if project.metrics.match(line.family)]


def _of(family: Family, values: Sequence[str], value: float) -> FamilyLines:
    return sample(family.name, family.labels, values, value)
