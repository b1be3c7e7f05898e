"""When a project's list of pipelines, and each pipeline, is looked at next. Pure.

Times are Unix seconds of this machine, but those of creations, which are CircleCI's; `ahead` is by how many seconds
this machine's clock is ahead of CircleCI's, and `date` what CircleCI's says now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf

from exporter.config import Pipelines
from exporter.runs import pipelines
from exporter.runs.live import Live, WatchedPipeline, WatchedRun

ON_HOLD = "on_hold"
YOUNG = 3600.0
"""Seconds for which a pipeline is looked at every interval; later on after a tenth of its age."""
TENTH = 0.1
LOOK_EVERY = 1.4
"""Intervals between two looks at a young pipeline, and at the list of an organization: half of all ends are then seen
within 0.75 intervals and nearly all within 1.5, for two thirds of the calls that a look every interval costs."""
MOST_DOUBLINGS = 4
"""How often the time between two walks over a covered list doubles, while each finds what was known already."""
LOOKS_WITHOUT_WORKFLOW = 5
"""Intervals after which a pipeline without a workflow is taken to have none."""
REVISIT_FACTOR = 4
REVISITS_SPARED = 4
"""Of a pipeline whose end an event told of: another event is to tell of a re-run."""
SET_ASIDE_AFTER = 5
"""Looks in a row that fail, while CircleCI answers other questions, before a pipeline fails no collector any more."""
MISSING_JOBS = 3
"""How often CircleCI must not know the jobs of an ended run before it has none."""
CANCELED_SETTLES_WITHIN = 120.0
CANCELED_LOOKS_EVERY = 30.0


def list_due(
    live: Live | None, settings: Pipelines, now: float, *, covered: bool, confirmed: int = 0, ahead: float = 0.0
) -> float:
    """When the project's own list is walked next: often while something is under way or was lately, else seldom.

    One that the list of its organization is seen to cover needs its own only now and then, ever more seldom as
    walk after walk has `confirmed` that nothing was missing.
    """
    if live is None or live.listed_at is None:
        return now
    last = min(live.listed_at, now)
    if covered:
        return last + settings.longest * (1 << min(confirmed, MOST_DOUBLINGS))
    if any(not settled(pipeline) for pipeline in live.pipelines.values()):
        return last + settings.interval
    quiet = inf if live.newest_at is None else max(now - ahead - live.newest_at, 0.0)
    return last + _between(settings, TENTH * quiet)


def look_due(
    pipeline: WatchedPipeline, settings: Pipelines, lookback: float, now: float, ahead: float = 0.0
) -> float | None:
    """When a pipeline is looked at next; None when it is not looked at again."""
    if pipeline.failed_at is not None:
        usual = gap(pipeline, settings, now - ahead)
        return min(pipeline.failed_at, now) + min(
            usual * (1 << min(pipeline.failures, 16)), max(settings.longest, usual)
        )
    if pipeline.wanted_at is not None:
        return min(pipeline.wanted_at, now)
    if pipeline.settled_at is not None:
        if pipeline.state == pipelines.ERRORED:
            return None
        due = pipeline.settled_at + settings.interval * REVISIT_FACTOR**pipeline.revisits
        return due if due - ahead < pipeline.created_at + lookback else None
    if pipeline.looked_at is None:
        return now
    return min(pipeline.looked_at, now) + gap(pipeline, settings, now - ahead)


def in_turn(
    found: Iterable[WatchedPipeline], settings: Pipelines, lookback: float, now: float, ahead: float = 0.0
) -> list[tuple[float, WatchedPipeline]]:
    """The pipelines that are due by now, and since when: first those never looked at, newest first, then by their turn.

    What was never looked at may have ended just now, and until all of it was nobody knows how much is under way.
    """
    due = []
    for pipeline in found:
        moment = look_due(pipeline, settings, lookback, now, ahead)
        if moment is not None and moment <= now:
            due.append((moment, pipeline))
    due.sort(key=lambda each: _turn(*each))
    return due


def unseen(pipeline: WatchedPipeline) -> bool:
    """Whether a pipeline may have something under way that nobody has looked at."""
    return pipeline.looked_at is None and not settled(pipeline) and not is_set_aside(pipeline)


def is_set_aside(pipeline: WatchedPipeline) -> bool:
    """Whether looks at a pipeline fail for so long that this says something of it alone."""
    return pipeline.failures >= SET_ASIDE_AFTER


def has_no_jobs(run: str, pipeline: WatchedPipeline, missing: Collection[str]) -> bool:
    """Whether a run whose jobs are `missing` once more has none, as far as anyone will ever know."""
    before = next((each.missing for each in pipeline.runs if each.id == run), 0)
    return run in missing and before + 1 >= MISSING_JOBS


def gap(pipeline: WatchedPipeline, settings: Pipelines, date: float) -> float:
    """Seconds between two looks at a pipeline that has not settled."""
    if any(settling(run) for run in pipeline.runs):
        return min(settings.interval, CANCELED_LOOKS_EVERY)
    if any(run.counted for run in pipeline.runs):
        return settings.interval  # only jobs are still to be read
    age = max(date - pipeline.created_at, 0.0)
    every = LOOK_EVERY * settings.interval if age < YOUNG else 0.0
    if every and not (pipeline.runs and all(run.status == ON_HOLD for run in pipeline.runs)):
        return every
    return _between(settings, max(every, TENTH * age))  # it waits for a person, or goes on for long


def settled(pipeline: WatchedPipeline) -> bool:
    """Whether nothing of a pipeline is under way."""
    return pipeline.settled_at is not None or (pipeline.state == pipelines.ERRORED and not pipeline.runs)


def settling(run: WatchedRun) -> bool:
    """Whether a canceled run waits for its jobs to stop."""
    return run.ended_seen_at is not None and not run.counted


def has_settled(run: WatchedRun, now: float) -> bool:
    """Whether a canceled run counts as it is now, although some of its jobs are still under way."""
    return run.ended_seen_at is not None and now - run.ended_seen_at >= CANCELED_SETTLES_WITHIN


def is_empty(pipeline: WatchedPipeline, settings: Pipelines, date: float) -> bool:
    """Whether a pipeline that is created and has no workflow will not get one any more."""
    waited = date - pipeline.created_at >= LOOKS_WITHOUT_WORKFLOW * settings.interval
    return pipeline.state == pipelines.CREATED and waited


def next_revisit(pipeline: WatchedPipeline, settings: Pipelines, now: float) -> int:
    """How often a settled pipeline was looked at: what is overdue after a downtime is looked at once."""
    revisits, settled_at = pipeline.revisits + 1, now if pipeline.settled_at is None else pipeline.settled_at
    while settled_at + settings.interval * REVISIT_FACTOR**revisits <= now:
        revisits += 1
    return revisits


def _turn(due: float, pipeline: WatchedPipeline) -> tuple[bool, float, float, str]:
    seen = pipeline.looked_at is not None
    return seen, due if seen else -pipeline.created_at, pipeline.created_at, pipeline.id


def _between(settings: Pipelines, seconds: float) -> float:
    return min(max(seconds, settings.interval), settings.longest)
