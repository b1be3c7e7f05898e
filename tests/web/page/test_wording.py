"""Numbers in words."""

from __future__ import annotations

import math

import pytest

from exporter.web.page import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0, "0s"),
        (0.04, "0s"),
        (0.42, "0.4s"),
        (9, "9s"),
        (9.96, "10s"),
        (10, "10s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (200, "3m 20s"),
        (3600, "1h"),
        (3660, "1h 1m"),
        (3601, "1h"),
        (190_000, "2d 4h"),
        (86400 * 400, "1y 35d"),
        (86400 * 365 * 12345.0, "12,345y"),
        (-200, "-3m 20s"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


def test_figures_beyond_all_sense_stay_short() -> None:
    assert (wording.duration(1e300), wording.count(1e300), wording.count(-1e300)) == ("1e+300s", "1e+300", "-1e+300")


@pytest.mark.parametrize(
    ("moment", "text"), [(None, "never"), (1000, "just now"), (2000, "just now"), (940, "1m ago"), (100, "15m ago")]
)
def test_the_past_is_told_in_its_largest_unit(moment: float | None, text: str) -> None:
    assert wording.ago(moment, 1000) == text


@pytest.mark.parametrize(
    ("moment", "text"), [(None, "–"), (1720, "in 12m"), (1000, "now"), (995, "now"), (900, "late by 1m")]
)
def test_the_future_is_told_and_so_is_lateness(moment: float | None, text: str) -> None:
    assert wording.ahead(moment, 1000) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "0%"),
        (0.0004, "< 0.1%"),
        (0.5, "50%"),
        (0.987, "98.7%"),
        (0.9996, "> 99.9%"),
        (1, "100%"),
        (1.5, "150%"),
    ],
)
def test_only_a_true_one_reads_as_a_hundred_percent(ratio: float | None, text: str) -> None:
    assert wording.percent(ratio) == text


@pytest.mark.parametrize(
    ("number", "text"), [(None, "–"), (math.inf, "–"), (0, "0"), (12345, "12,345"), (1.25, "1.2"), (63.0, "63")]
)
def test_a_count_keeps_its_thousands_apart(number: float | None, text: str) -> None:
    assert wording.count(number) == text


def test_the_day_before_today_is_yesterday_and_others_have_their_date_in_utc() -> None:
    today = 20_781 * 86_400.0
    assert wording.day(today - 86_400, today) == wording.day(today - 86_400, today + 86_399) == "Yesterday"
    assert wording.day(today - 2 * 86_400, today) == "2026-11-22"


@pytest.mark.parametrize(
    ("moment", "text"),
    [(None, "–"), (0, "1970-01-01 00:00:00 UTC"), (-1, "–"), (1e18, "–"), (1_790_000_000.7, "2026-09-21 14:13:20 UTC")],
)
def test_an_instant_is_told_in_utc(moment: float | None, text: str) -> None:
    assert wording.instant(moment) == text
