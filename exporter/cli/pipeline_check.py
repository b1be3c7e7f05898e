"""What `check` finds out about a project's pipelines: how many a day, and what some of them were like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.config import Project
from exporter.insights.collectors import PIPELINES
from exporter.knowledge.pipeline_calls import DAY, PipelineDay, Sampled, first_look_calls
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt, Attempts
from exporter.runs.pipelines import ERRORED, NOT_RUN, SUCCESS, ListedPipeline, WorkflowRun, pipelines_of
from exporter.runs.watching import LOOKS_WITHOUT_WORKFLOW

MOST_PAGES = 50
"""Pages of a list that are read at most: where there is more, what was read stands for the rest."""
SAMPLED = 5
"""Pipelines whose workflow runs are read, spread over the day."""
JOBS_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """The pipelines of the newest day, and how many there are within the lookback."""

    day: PipelineDay
    within_lookback: float

    @property
    def first_look(self) -> int:
        """API calls that the first look at the project makes, once."""
        return first_look_calls(self.within_lookback)


def survey(attempts: Attempts, project: Project, pages: int = MOST_PAGES) -> Survey:
    """Walk a project's list of pipelines down to its lookback, for so many pages at most, and read the runs of some.

    Raises PollError or Stopped.
    """
    attempt = attempts.begin(PIPELINES, project.pipelines.interval)
    now, lookback = attempt.date(), project.runs.lookback
    walk = ask.walk(
        attempt, pipelines_of(project.slug), since=now - max(lookback, DAY), reached=lambda _id: False, pages=pages
    )
    if walk.failure is not None:
        raise walk.failure
    found = sorted(walk.found.values(), key=lambda each: each.created_at)
    reached = max(now - found[0].created_at, 1.0) if walk.cut and found else math.inf
    seconds = min(DAY, reached)
    newest = [each for each in found if each.created_at >= now - seconds]
    within = sum(each.created_at >= now - lookback for each in found) * max(lookback / reached, 1.0)
    sampled, job_pages = _sampled(attempt, project, newest, now)
    return Survey(PipelineDay(tuple(each.created_at for each in newest), seconds, sampled, job_pages), within)


def _sampled(
    attempt: Attempt, project: Project, pipelines: Sequence[ListedPipeline], now: float
) -> tuple[tuple[Sampled, ...], float]:
    """What some of these pipelines were like, and the pages that a list of jobs has, by one of them."""
    step = max(len(pipelines) / SAMPLED, 1.0)
    chosen = [pipelines[int(step * number)] for number in range(min(SAMPLED, len(pipelines)))]
    sampled, job_pages = [], 0
    for pipeline in chosen:
        if pipeline.state == ERRORED:
            sampled.append(Sampled(0.0, errored=True))
            continue
        found, _ = ask.workflows(attempt, project.slug, pipeline)
        runs = [run for run in found if run.status != NOT_RUN and project.workflows.match(run.name)]
        sampled.append(_like(runs, project, now))
        if runs and project.pipelines.jobs and not job_pages:
            jobs, _ = ask.jobs_of(attempt, project.slug, runs[0].id)
            job_pages = max(math.ceil(len(jobs) / JOBS_A_PAGE), 1)
    return tuple(sampled), max(job_pages, 1)


def _like(runs: Sequence[WorkflowRun], project: Project, now: float) -> Sampled:
    if not runs:
        return Sampled(LOOKS_WITHOUT_WORKFLOW * project.pipelines.interval)
    spans = [(run.created_at, run.stopped_at or max(now, run.created_at)) for run in runs]
    lengths = tuple(max(stop - start, 0.0) for start, stop in spans)
    return Sampled(_together(spans), lengths, all(run.status == SUCCESS for run in runs))


def _together(spans: Iterable[tuple[float, float]]) -> float:
    """For how many seconds at least one of these was under way."""
    seconds, until = 0.0, -math.inf
    for start, stop in sorted(spans):
        seconds += max(stop - max(start, until), 0.0)
        until = max(until, stop)
    return seconds
