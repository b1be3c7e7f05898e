"""Whether a day of a project was watched whole, so that another source can be held against what was kept. Pure.

Times are Unix seconds by CircleCI's clock, but `now`, which is this machine's, `ahead` of that by some seconds.
"""

from __future__ import annotations

from exporter.config import Project
from exporter.runs import watching
from exporter.runs.live import Live, WatchedPipeline

KEPT_BEYOND = 86_400.0
"""Seconds by which the ids of job runs are kept longer than `runs.lookback`."""


def chosen(project: Project) -> str:
    """What decides which job runs of a project are kept."""
    workflows, jobs = project.workflows, project.jobs
    return f"{project.pipelines.jobs} {[workflows.include, workflows.exclude, jobs.include, jobs.exclude]}"


def is_whole(live: Live, project: Project, since: float) -> bool:
    """Whether each job run that ended `since` then is kept, as the settings choose them now."""
    if not project.pipelines.jobs or live.whole_from is None or live.chosen != chosen(project):
        return False
    return live.whole_from <= since and live.floor - KEPT_BEYOND <= since


def caught_up(live: Live, project: Project, until: float, *, now: float, ahead: float = 0.0) -> bool:
    """Whether all that ended before `until` and that looks can find is kept; what is set aside, they cannot find."""
    listed_at = max(live.listed_at or 0.0, live.covered_at or 0.0)
    if listed_at - ahead < until:
        return False
    before = (each for each in live.pipelines.values() if each.created_at < until and not watching.is_set_aside(each))
    return not any(_owes(each, project, until, now, ahead) for each in before)


def _owes(pipeline: WatchedPipeline, project: Project, until: float, now: float, ahead: float) -> bool:
    if any(run.counted and run.created_at < until for run in pipeline.runs):
        return True  # its jobs are still to be read
    if not watching.settled(pipeline):
        return pipeline.looked_at is None or pipeline.looked_at - ahead < until
    due = watching.look_due(pipeline, project.pipelines, project.runs.lookback, now, ahead)
    return due is not None and due - ahead < until
