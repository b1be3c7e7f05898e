"""Rows and tiles in words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from exporter.web.page.overview import Health
from exporter.web.page.selection import Ranking
from exporter.web.page.tables import Trend, WorkflowRow, api_tile, project_row, workflow_row
from tests.web.published import API, NOW, collector, overview, project, workflow


def test_a_project_tells_age_against_limit_for_each_collector() -> None:
    view = project(
        "acme/web",
        collector("workflows", Health.FAILING, age=15000, error="404: not found"),
        collector("jobs", Health.PENDING),
        next_poll=NOW + 2880,
    )
    view = replace(view, collectors=(view.collectors[0], replace(view.collectors[1], last_success=None)))
    row = project_row(Ranking(overview([view])).projects[0], NOW)
    assert (row.name, row.slug, row.branch, row.state, row.series) == (
        "acme/web",
        "gh/acme/web",
        "main",
        Health.FAILING,
        "412",
    )
    assert (row.next_poll, row.next_poll_at) == ("in 48m", "2026-09-21 15:01:20 UTC")
    first, second = row.collectors
    assert (first.name, first.age, first.limit, first.error) == ("workflows", "4h", "3h", "404: not found")
    assert first.words == "failing; newest data 4h ago, stale after 3h"
    assert (second.age, second.words) == ("–", "pending; newest data never, stale after 3h")


def test_a_project_of_unknown_branch_and_a_clock_that_went_back_are_no_trouble() -> None:
    view = project("acme/web", collector("workflows", age=-50), default_branch=None, next_poll=None)
    row = project_row(Ranking(overview([view])).projects[0], NOW)
    assert (row.branch, row.next_poll, row.collectors[0].age) == ("", "–", "0s")


def row_of(success_ratio: float | None = 0.9, **changes: object) -> WorkflowRow:
    ranking = Ranking(overview([], [workflow("acme/web", "build", success_ratio, **changes)]))
    return workflow_row(ranking.workflows[0])


def seen(trend: Trend | None) -> tuple[str, str, bool, str]:
    assert trend is not None
    return trend.arrow, trend.size, trend.better, trend.words


def test_a_workflow_tells_its_figures_in_human_units() -> None:
    row = row_of(0.953, median_seconds=200, p95_seconds=3900, runs=1014)
    assert (row.success, row.bar, row.grade) == ("95.3%", "95.3", "good")
    assert (row.median, row.p95, row.runs) == ("3m 20s", "1h 5m", "1,014")
    assert (row.success_trend, row.p95_trend) == (None, None)


@pytest.mark.parametrize(
    ("ratio", "bar", "grade"),
    [
        (0.9, "90.0", "good"),
        (0.899, "89.9", "fair"),
        (0.7, "70.0", "fair"),
        (0.69, "69.0", "poor"),
        (0.0, "0.0", "poor"),
        (1.7, "100.0", "good"),
        (-0.2, "0.0", "poor"),
        (None, None, ""),
        (math.nan, None, ""),
    ],
)
def test_a_bar_has_its_length_and_its_grade(ratio: float | None, bar: str | None, grade: str) -> None:
    row = row_of(ratio)
    assert (row.bar, row.grade) == (bar, grade)


def test_more_success_is_better_and_more_time_is_worse() -> None:
    row = row_of(0.92, previous_success_ratio=0.9, p95_seconds=300, previous_p95_seconds=200)
    assert seen(row.success_trend) == ("▲", "2", True, "up 2 points from 90%")
    assert seen(row.p95_trend) == ("▲", "50%", False, "50% slower than 3m 20s before")
    row = row_of(0.875, previous_success_ratio=0.9, p95_seconds=100, previous_p95_seconds=200)
    assert seen(row.success_trend) == ("▼", "2.5", False, "down 2.5 points from 90%")
    assert seen(row.p95_trend) == ("▼", "50%", True, "50% faster than 3m 20s before")


@pytest.mark.parametrize(
    ("new", "old"), [(None, 0.9), (0.9, None), (0.9, 0.9), (0.9, 0.9001), (math.inf, 0.9), (0.9, math.nan)]
)
def test_what_did_not_visibly_change_has_no_trend(new: float | None, old: float | None) -> None:
    row = row_of(new, previous_success_ratio=old, p95_seconds=new, previous_p95_seconds=old)
    assert (row.success_trend, row.p95_trend) == (None, None)


def test_a_growth_from_nothing_has_no_trend_and_a_vast_one_is_capped() -> None:
    assert row_of(p95_seconds=5, previous_p95_seconds=0).p95_trend is None
    assert seen(row_of(p95_seconds=1e9, previous_p95_seconds=1).p95_trend)[1] == "999%"


@pytest.mark.parametrize(
    ("reachable", "token", "verdict", "mood"),
    [
        (None, None, "no request yet", Health.PENDING),
        (True, None, "reachable, token not checked yet", Health.PENDING),
        (True, True, "reachable, token accepted", Health.OK),
        (True, False, "token refused", Health.FAILING),
        (False, True, "not reachable", Health.FAILING),
    ],
)
def test_the_api_has_a_verdict(reachable: bool | None, token: bool | None, verdict: str, mood: Health) -> None:
    tile = api_tile(replace(API, reachable=reachable, token_accepted=token))
    assert (tile.verdict, tile.mood) == (verdict, mood)


def test_the_api_tells_its_requests_its_rate_and_what_is_left() -> None:
    tile = api_tile(replace(API, requests_last_hour={"404": 3, "200": 1184, "500": 0, "error": 1}))
    assert tile.requests == (("200", "1,184"), ("404", "3"), ("error", "1"))
    assert (tile.total, tile.rate, tile.throttled) == ("1,188", "0.4/s", "38s")
    assert (tile.limit, tile.left) == ("812 left of 1,000", "81.2")


def test_a_rate_limit_half_known_is_told_half_and_an_unknown_one_not_at_all() -> None:
    assert api_tile(replace(API, rate_limit_limit=None)).limit == "812 left"
    tile = api_tile(replace(API, rate_limit_remaining=None))
    assert (tile.limit, tile.left) == (None, None)
    assert api_tile(replace(API, rate_limit_remaining=5000)).left == "100.0"
