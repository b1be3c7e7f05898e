"""Trends, bars, grades and the verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from exporter.web.page.overview import Health
from exporter.web.page.tables import Trend, bar, duration_trend, grade, ratio_trend, verdict
from tests.web.published import API


def seen(trend: Trend | None) -> tuple[str, str, bool, str]:
    assert trend is not None
    return trend.arrow, trend.size, trend.better, trend.words


@pytest.mark.parametrize(
    ("ratio", "length", "color"),
    [
        (0.9, "90.0", "good"),
        (0.899, "89.9", "fair"),
        (0.7, "70.0", "fair"),
        (0.69, "69.0", "poor"),
        (0.0, "0.0", "poor"),
        (1.7, "100.0", "good"),
        (-0.2, "0.0", "poor"),
    ],
)
def test_a_bar_has_its_length_and_its_grade(ratio: float, length: str, color: str) -> None:
    assert (bar(ratio), grade(ratio)) == (length, color)


def test_what_is_not_known_or_no_number_has_no_bar() -> None:
    assert (bar(None), bar(math.nan)) == (None, None)


def test_more_success_is_better_and_more_time_is_worse() -> None:
    assert seen(ratio_trend(0.92, 0.9)) == ("▲", "2", True, "up 2 points from 90%")
    assert seen(duration_trend(300, 200)) == ("▲", "50%", False, "50% slower than 3m 20s before")
    assert seen(ratio_trend(0.875, 0.9)) == ("▼", "2.5", False, "down 2.5 points from 90%")
    assert seen(duration_trend(100, 200)) == ("▼", "50%", True, "50% faster than 3m 20s before")


@pytest.mark.parametrize(
    ("new", "old"), [(None, 0.9), (0.9, None), (0.9, 0.9), (0.9, 0.9001), (math.inf, 0.9), (0.9, math.nan)]
)
def test_what_did_not_visibly_change_has_no_trend(new: float | None, old: float | None) -> None:
    assert (ratio_trend(new, old), duration_trend(new, old)) == (None, None)


def test_a_growth_from_nothing_has_no_trend_and_a_vast_one_is_capped() -> None:
    assert duration_trend(5, 0) is None
    assert seen(duration_trend(1e9, 1))[1] == "999%"


@pytest.mark.parametrize(
    ("reachable", "token", "words", "mood"),
    [
        (None, None, "no request yet", Health.PENDING),
        (True, None, "reachable, token not checked yet", Health.PENDING),
        (True, True, "reachable, token accepted", Health.OK),
        (True, False, "token refused", Health.FAILING),
        (False, True, "not reachable", Health.FAILING),
    ],
)
def test_the_api_has_a_verdict(reachable: bool | None, token: bool | None, words: str, mood: Health) -> None:
    assert verdict(replace(API, reachable=reachable, token_accepted=token)) == (words, mood)
