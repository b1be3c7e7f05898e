"""How many API calls the collector `pipelines` makes, from what a project's pipelines of a day were like. Pure.

It lives through the looks at a pipeline by the rules of `runs/watching.py`, and adds up the lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.config import Pipelines, Project
from exporter.counting.cells import Distribution
from exporter.insights import run_families
from exporter.knowledge.snapshots import Snapshot
from exporter.runs import watching
from exporter.runs.live import WatchedPipeline
from exporter.runs.pipelines import CREATED

HOUR, DAY = 3600.0, 86_400.0
PIPELINES_A_PAGE, RUNS_A_PAGE = 20, 250


@dataclass(frozen=True, slots=True)
class Sampled:
    """A pipeline that stands for others: for how many seconds something of it, and each of its runs, was under way.

    One that is `errored` has a configuration that does not compile, and is looked at once.
    """

    lasts: float
    runs: tuple[float, ...] = ()
    succeeded: bool = True
    errored: bool = False


TYPICAL = Sampled(600.0, (600.0,))
"""What a pipeline is taken to be like while nothing is known of any: one run of 10 minutes."""


@dataclass(frozen=True, slots=True)
class PipelineDay:
    """The pipelines of the newest `seconds`: the Unix times of their creation, ascending, and what some were like.

    `job_pages` are the pages of a list of jobs.
    """

    created: tuple[float, ...] = ()
    seconds: float = DAY
    sampled: tuple[Sampled, ...] = ()
    job_pages: float = 1.0

    @property
    def a_day(self) -> float:
        return len(self.created) * DAY / self.seconds

    @property
    def busiest(self) -> int:
        """How many were created in the busiest hour."""
        most = first = 0
        for last, created in enumerate(self.created):
            while created - self.created[first] >= HOUR:
                first += 1
            most = max(most, last - first + 1)
        return most


def calls_per_hour(project: Project, day: PipelineDay, workflows: int, *, covered: bool, vain: bool) -> float:
    """API calls an hour, if each day is like this one; `workflows` are those whose runs are counted.

    With `covered` its organization's list shows all of its pipelines, else only its own list does.
    With `vain` Insights' lists of runs bring nothing.
    """
    sampled = day.sampled or (TYPICAL,)
    a_pipeline = _on_average(day, project)
    runs = day.a_day * sum(len(each.runs) for each in sampled) / len(sampled) * project.runs.lookback / DAY
    pages = max(float(workflows), runs / RUNS_A_PAGE) if workflows else 0.0
    sweeps = pages * HOUR / (project.runs.longest_sweep if vain else project.runs.sweep)
    walks = _covered_walks(project.pipelines, day.a_day) if covered and day.created else _walks(project, day, sampled)
    names = HOUR / (DAY if workflows else min(DAY, project.runs.longest_sweep))
    return day.a_day * a_pipeline * HOUR / DAY + walks + sweeps + names


def more_in_busiest_hour(project: Project, day: PipelineDay) -> float:
    """API calls by which the busiest hour needs more than one of the average."""
    return max(day.busiest - day.a_day * HOUR / DAY, 0.0) * _on_average(day, project)


def organization_list_calls_per_hour(interval: float) -> float:
    """API calls an hour for the list of an organization, of whose projects the shortest interval is this."""
    return HOUR / (watching.LOOK_EVERY * interval)


def first_look_calls(pipelines: float) -> int:
    """API calls of the first look at a project: pages of its list, and one for each pipeline of the lookback."""
    return max(math.ceil(pipelines / PIPELINES_A_PAGE), 1) + math.ceil(pipelines)


def known_day(snapshot: Snapshot) -> PipelineDay:
    """The newest day as far as it is known of a project; what its runs were like on average, if any was counted."""
    live, ledger = snapshot.live, snapshot.ledger
    if live is None or live.listed_at is None:
        return PipelineDay()
    seconds, until = min(DAY, snapshot.project.runs.lookback), max(live.listed_at, live.covered_at or 0.0)
    times = [each.created_at for each in live.pipelines.values() if each.created_at > until - seconds]
    shown = {} if ledger is None else {key: cell.value for key, cell in ledger.cells.values.items()}
    lengths = (value for key, value in shown.items() if key.family == run_families.RUN_DURATION.name)
    durations = [value for value in lengths if isinstance(value, Distribution)]
    measured = sum(sum(each.counts) for each in durations)
    sampled: tuple[Sampled, ...] = ()
    if measured:
        lasts = sum(each.sum for each in durations) / measured
        pipelines = (value for key, value in shown.items() if key.family == run_families.PIPELINES_TOTAL.name)
        counted = sum(value for value in pipelines if not isinstance(value, Distribution))
        runs = max(round(measured / counted), 1) if counted and live.fresh else 1
        sampled = (Sampled(lasts, (lasts,) * runs),)
    return PipelineDay(tuple(sorted(times)), seconds, sampled)


def _on_average(day: PipelineDay, project: Project) -> float:
    sampled = day.sampled or (TYPICAL,)
    return sum(_of_pipeline(each, project, day.job_pages) for each in sampled) / len(sampled)


def _of_pipeline(sampled: Sampled, project: Project, job_pages: float) -> float:
    """Calls for one pipeline in its life: looks at it and its jobs while it is under way, and later for re-runs."""
    if sampled.errored:
        return 1.0
    settings = project.pipelines
    jobs = sum(_looks(lasts, settings) for lasts in sampled.runs) * job_pages if settings.jobs else 0.0
    return _looks(sampled.lasts, settings) + jobs + _revisits(sampled, settings, project.runs.lookback)


def _looks(lasts: float, settings: Pipelines) -> float:
    """Looks at something that is under way for so many seconds; the last one sees its end."""
    pipeline = WatchedPipeline("", 0.0, CREATED)
    looks, age = 1.0, 0.0
    while age < lasts:
        gap = watching.gap(pipeline, settings, age)
        looks += min(1.0, (lasts - age) / gap)
        age += gap
    return looks


def _revisits(sampled: Sampled, settings: Pipelines, lookback: float) -> int:
    first = int(sampled.succeeded)
    revisits = first
    settled = WatchedPipeline("", 0.0, CREATED, settled_at=sampled.lasts)
    while watching.look_due(replace(settled, revisits=revisits), settings, lookback, 0.0) is not None:
        revisits += 1
    return revisits - first


def _covered_walks(settings: Pipelines, a_day: float) -> float:
    """Calls an hour for the list of a project of which the organization's list shows everything."""
    every = settings.longest * (1 << watching.MOST_DOUBLINGS)
    return HOUR / every + a_day * HOUR / DAY / PIPELINES_A_PAGE


def _walks(project: Project, day: PipelineDay, sampled: Sequence[Sampled]) -> float:
    """Calls an hour for the list of a project by itself: often while something is under way, then ever more seldom."""
    settings = project.pipelines
    if not day.created:
        return HOUR / settings.longest
    lasts = sum(each.lasts for each in sampled) / len(sampled)
    later = (*day.created[1:], day.created[0] + day.seconds)  # the next day is like this one
    walks = 0.0
    for created, following in zip(day.created, later, strict=True):
        apart = max(following - created, 0.0)
        busy = min(lasts, apart)
        walks += busy / settings.interval + _between(busy, apart, settings)
    return walks * HOUR / day.seconds


def _between(start: float, end: float, settings: Pipelines) -> float:
    """Walks while the newest pipeline grows from one age to another: each after a tenth of that, within bounds."""
    shortest, longest = settings.interval, settings.longest
    rising, level = shortest / watching.TENTH, longest / watching.TENTH
    walks = max(min(end, rising) - start, 0.0) / shortest + max(end - max(start, level), 0.0) / longest
    low, high = max(start, rising), min(end, level)
    return walks + (math.log(high / low) / watching.TENTH if low < high else 0.0)
