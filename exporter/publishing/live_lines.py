"""The sample lines of what happens now: runs and jobs in progress, pipelines, and the counters of jobs."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from exporter.formats.exposition import label_text, sample_line
from exporter.formats.histogram import Exemplar, Histogram, histogram_lines
from exporter.insights import families
from exporter.insights.collectors import COLLECTORS, PIPELINES
from exporter.publishing.sections import FamilyLines
from exporter.runs import jobs as job_runs
from exporter.runs import labels_of, pipelines
from exporter.runs.counters import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exporter.config import Project
    from exporter.knowledge.snapshots import Snapshot
    from exporter.runs import counters
    from exporter.runs.counters import Cell, Key, Value
    from exporter.runs.live import Live, WatchedPipeline, WatchedRun

LABELS: Mapping[str, tuple[str, ...]] = {
    family.name: table.labels for table in COLLECTORS[PIPELINES].counted for family in table.families
}
COUNTERS = (families.PIPELINES_TOTAL.name, families.JOB_RUNS.name, families.JOB_CRITICAL_PATH.name)
HISTOGRAMS = (families.JOB_RUN_DURATION.name, families.JOB_RUN_WAIT.name)
JOB_STATUSES = (*job_runs.UNDER_WAY, job_runs.OTHER)


def expires_at(pipeline: WatchedPipeline, project: Project) -> float | None:
    """When what is under way of a pipeline is too old to be shown, Unix time; None while it was never looked at."""
    return None if pipeline.looked_at is None else pipeline.looked_at + project.staleness(PIPELINES)


def under_way(live: Live, project: Project, now: float) -> tuple[list[WatchedPipeline], list[WatchedPipeline]]:
    """The pipelines with something under way, in the order of their creation: looked at lately, and too long ago."""
    found = sorted(live.pipelines.values(), key=lambda pipeline: (pipeline.created_at, pipeline.id))
    fresh: list[WatchedPipeline] = []
    stale: list[WatchedPipeline] = []
    for pipeline in found:
        if pipeline.runs:
            expiry = expires_at(pipeline, project)
            (fresh if expiry is not None and now < expiry else stale).append(pipeline)
    return fresh, stale


def counters_expire_at(live: Live, project: Project) -> float:
    """When counters are too old to be shown, since the list could not be read; Unix time."""
    return max(live.listed_at or 0.0, live.covered_at or 0.0) + project.staleness(PIPELINES)


def expiries(live: Live, project: Project) -> Iterator[float]:
    """When something becomes too old to be shown, in Unix seconds."""
    yield counters_expire_at(live, project)
    for pipeline in live.pipelines.values():
        if pipeline.runs and (expiry := expires_at(pipeline, project)) is not None:
            yield expiry


def in_progress(snapshot: Snapshot, shown: Iterable[tuple[str, str]], now: float) -> Iterator[list[FamilyLines]]:
    """Runs in progress for each shown workflow and branch, 0 where there are none, then the project's jobs.

    Of what could not be looked at for too long nothing is shown: it may have ended. Without `jobs`, nothing of jobs.
    """
    project, live = snapshot.project, snapshot.live
    fresh, stale = under_way(live, project, now) if live is not None else ([], [])
    label = labels_of(project, snapshot.facts.default_branch if snapshot.facts else "")
    runs, unknown = _by_branch(fresh, label), _by_branch(stale, label)
    for each in shown:
        if each not in unknown:
            yield _wanted(project, _runs(project.name, *each, runs.get(each, [])))
    if project.pipelines.jobs and not stale:  # what is not asked for is not 0
        yield _wanted(project, _jobs(project.name, [run for pipeline in fresh for run in pipeline.runs]))


def _by_branch(
    watched: Iterable[WatchedPipeline], label: Callable[[str], str]
) -> Mapping[tuple[str, str], list[WatchedRun]]:
    """The runs under way by workflow and branch; one that was canceled is none, though its jobs are."""
    runs: defaultdict[tuple[str, str], list[WatchedRun]] = defaultdict(list)
    for pipeline in watched:
        branch = pipelines.branch_label(pipeline.branch, pipeline.tag, label)
        for run in pipeline.runs:
            if run.ended_seen_at is None:
                runs[run.name, branch].append(run)
    return runs


def counted(
    live: Live, cells: Mapping[Key, Cell], project: Project, names: Iterable[str]
) -> Iterator[list[FamilyLines]]:
    """The counters and histograms of these families among the cells, sorted by their labels."""
    bounds = {families.JOB_RUN_DURATION.name: live.bounds, families.JOB_RUN_WAIT.name: live.wait_bounds}
    for name in names:
        if project.metrics.match(name):
            found = [(key.labels, cell.value) for key, cell in cells.items() if key.family == name]
            for labels, value in sorted(found, key=lambda each: each[0]):
                yield [_lines(name, labels, value, project.name, bounds.get(name, ()))]


def exemplars(found: Sequence[counters.Exemplar | None], counts: Sequence[int]) -> list[Exemplar | None]:
    """Exemplars as they are written; a bucket whose run is still held back has none."""
    return [
        Exemplar((("workflow_id", each.workflow_id),), each.value, each.stopped_at) if each and count else None
        for each, count in zip(found, counts, strict=True)
    ]


def _lines(family: str, own: tuple[str, ...], value: Value, project: str, bounds: tuple[float, ...]) -> FamilyLines:
    names = LABELS[family]
    place = names.index("project")
    values = (*own[:place], project, *own[place:])
    if isinstance(value, Distribution):
        marked = exemplars(value.exemplars, value.counts) if value.exemplars else ()
        return FamilyLines(
            family, *histogram_lines(family, names, values, Histogram(bounds, value.counts, value.sum, marked))
        )
    return _line(family, names, values, value)


def _runs(project: str, workflow: str, branch: str, runs: Sequence[WatchedRun]) -> Iterator[FamilyLines]:
    counts = Counter(pipelines.shown_status(run.status) for run in runs)
    family = families.RUNS_IN_PROGRESS.name
    for status in pipelines.UNDER_WAY:
        yield _line(family, LABELS[family], (branch, project, status, workflow), counts[status])
    if runs:
        oldest, family = min(run.created_at for run in runs), families.OLDEST_RUN_IN_PROGRESS.name
        yield _line(family, LABELS[family], (branch, project, workflow), oldest)


def _jobs(project: str, runs: Sequence[WatchedRun]) -> Iterator[FamilyLines]:
    counts = Counter[str]()
    for run in runs:
        counts.update(dict(run.jobs))
    family = families.JOBS_IN_PROGRESS.name
    for status in JOB_STATUSES:
        yield _line(family, LABELS[family], (project, status), counts[status])
    waiting = [run.waiting_since for run in runs if run.waiting_since is not None]
    if waiting:
        family = families.OLDEST_WAITING_JOB.name
        yield _line(family, LABELS[family], (project,), min(waiting))


def _wanted(project: Project, lines: Iterable[FamilyLines]) -> list[FamilyLines]:
    return [line for line in lines if project.metrics.match(line.family)]


def _line(family: str, names: Sequence[str], values: Sequence[str], value: float) -> FamilyLines:
    line = sample_line(family, label_text(names, values), value)
    return FamilyLines(family, 1, line, line)
