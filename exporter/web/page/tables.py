"""The rows and tiles of the page, in words: what the template puts into markup, with nothing left to work out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.web.page import wording
from exporter.web.page.overview import ApiView, CollectorView, Health

if TYPE_CHECKING:
    from exporter.web.page.overview import ProjectView, WorkflowView
    from exporter.web.page.selection import Ranked

GOOD_RATIO = 0.9
FAIR_RATIO = 0.7
# A change that the figures beside it would not show is none.
_SMALLEST_POINTS = 0.0005
_SMALLEST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Trend:
    """A change against the value before: an arrow, its size, whether it is for the better, and all of it in words."""

    arrow: str
    size: str
    better: bool
    words: str


@dataclass(frozen=True, slots=True)
class CollectorCell:
    """One collector of a project. `age` stands against `limit`, its stale_after."""

    name: str
    state: Health
    age: str
    limit: str
    words: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One line of the table of projects."""

    name: str
    slug: str
    branch: str
    state: Health
    collectors: tuple[CollectorCell, ...]
    next_poll: str
    next_poll_at: str
    series: str


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """One line of the table of workflows. `bar` is the success ratio in percent of the width, `grade` its color."""

    project: str
    name: str
    branch: str
    window: str
    state: Health
    success: str
    bar: str | None
    grade: str
    success_trend: Trend | None
    median: str
    p95: str
    p95_trend: Trend | None
    runs: str


@dataclass(frozen=True, slots=True)
class ApiTile:
    """CircleCI's API at a glance. `mood` is the color of `verdict`; `left` is the rate limit left, in percent."""

    verdict: str
    mood: Health
    requests: tuple[tuple[str, str], ...]
    total: str
    rate: str
    limit: str | None
    left: str | None
    throttled: str


def project_row(project: Ranked[ProjectView], now: float) -> ProjectRow:
    """Describe one project."""
    view = project.view
    return ProjectRow(
        name=view.name,
        slug=view.slug,
        branch=view.default_branch or "",
        state=project.state,
        collectors=tuple(_collector(collector, now) for collector in view.collectors),
        next_poll=wording.ahead(view.next_poll, now),
        next_poll_at=wording.instant(view.next_poll),
        series=wording.count(view.series),
    )


def _collector(view: CollectorView, now: float) -> CollectorCell:
    age = wording.NOTHING if view.last_success is None else wording.rough(round(max(0.0, now - view.last_success)))
    limit = wording.rough(view.stale_after)
    words = f"{view.state.value}; newest data {wording.ago(view.last_success, now)}, stale after {limit}"
    return CollectorCell(view.name, view.state, age, limit, words, view.error)


def workflow_row(workflow: Ranked[WorkflowView]) -> WorkflowRow:
    """Describe one workflow."""
    view = workflow.view
    ratio = view.success_ratio
    known = ratio is not None and math.isfinite(ratio)
    shown = min(max(ratio, 0.0), 1.0) if known and ratio is not None else None
    return WorkflowRow(
        project=view.project,
        name=view.name,
        branch=view.branch,
        window=view.window,
        state=workflow.state,
        success=wording.percent(ratio),
        bar=None if shown is None else f"{shown * 100:.1f}",
        grade="" if shown is None else "good" if shown >= GOOD_RATIO else "fair" if shown >= FAIR_RATIO else "poor",
        success_trend=_ratio_trend(ratio, view.previous_success_ratio),
        median=wording.duration(view.median_seconds),
        p95=wording.duration(view.p95_seconds),
        p95_trend=_duration_trend(view.p95_seconds, view.previous_p95_seconds),
        runs=wording.count(view.runs),
    )


def _ratio_trend(new: float | None, old: float | None) -> Trend | None:
    if new is None or old is None or not math.isfinite(new - old) or abs(new - old) < _SMALLEST_POINTS:
        return None
    up = new > old
    points = f"{abs(new - old) * 100:.1f}".removesuffix(".0")
    words = f"{'up' if up else 'down'} {points} points from {wording.percent(old)}"
    return Trend("▲" if up else "▼", points, up, words)


def _duration_trend(new: float | None, old: float | None) -> Trend | None:
    if new is None or old is None or not math.isfinite(new - old) or old <= 0 or abs(new / old - 1) < _SMALLEST_SHARE:
        return None
    slower = new > old
    share = f"{min(abs(new / old - 1) * 100, 999):.0f}%"
    words = f"{share} {'slower' if slower else 'faster'} than {wording.duration(old)} before"
    return Trend("▲" if slower else "▼", share, not slower, words)


def api_tile(api: ApiView) -> ApiTile:
    """Describe the API's state."""
    verdict, mood = _verdict(api)
    left = limit = None
    if api.rate_limit_remaining is not None:
        limit = f"{wording.count(api.rate_limit_remaining)} left"
        if api.rate_limit_limit:
            limit = f"{limit} of {wording.count(api.rate_limit_limit)}"
            left = f"{min(max(api.rate_limit_remaining / api.rate_limit_limit, 0.0), 1.0) * 100:.1f}"
    return ApiTile(
        verdict=verdict,
        mood=mood,
        requests=tuple(
            (code, wording.count(number)) for code, number in sorted(api.requests_last_hour.items()) if number
        ),
        total=wording.count(sum(api.requests_last_hour.values())),
        rate=f"{api.requests_per_second:.1f}/s",
        limit=limit,
        left=left,
        throttled=wording.duration(api.throttled_seconds),
    )


def _verdict(api: ApiView) -> tuple[str, Health]:
    if api.reachable is False:
        return "not reachable", Health.FAILING
    if api.token_accepted is False:
        return "token refused", Health.FAILING
    if api.reachable is None:
        return "no request yet", Health.PENDING
    if api.token_accepted is None:
        return "reachable, token not checked yet", Health.PENDING
    return "reachable, token accepted", Health.OK
