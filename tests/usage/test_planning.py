"""What is next for an organization's exports, at any moment and after any past."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.usage import planning
from exporter.usage.planning import Export, Look, Progress, Start, Wait, next_step
from tests.usage.making import DAY, NOON, TODAY

TODAY_NUMBER = TODAY.toordinal()
HOUR = 3600.0
UNDER_WAY = Export("x", TODAY_NUMBER - 3, TODAY_NUMBER, NOON)


def test_days_are_utc() -> None:
    assert planning.day_of(NOON) == TODAY_NUMBER
    assert planning.day_of(planning.start_of(TODAY_NUMBER)) == TODAY_NUMBER
    assert planning.day_of(planning.start_of(TODAY_NUMBER) - 0.001) == TODAY_NUMBER - 1
    assert planning.written(TODAY_NUMBER) == "2026-11-25T00:00:00Z"


@pytest.mark.parametrize(
    ("newest", "reached", "window"),
    [
        (0, 0, (-3, 0)),
        (-1, 0, None),
        (-2, 0, (-4, 0)),
        (-10, 0, (-12, 0)),
        (-29, 0, (-31, 0)),
        (-30, 0, (-32, -1)),
        (-300, 0, (-302, -271)),
        (-500, 0, (-365, -334)),
        (-300, -273, (-273, -242)),
        (0, -273, (-273, -242)),
    ],
)
def test_a_window_begins_two_days_before_the_newest_day_and_has_31_at_most(
    newest: int, reached: int, window: tuple[int, int] | None
) -> None:
    progress = Progress(newest=newest and TODAY_NUMBER + newest, reached=reached and TODAY_NUMBER + reached)
    found = planning.window_of(progress, TODAY_NUMBER)
    assert found == (window and Start(TODAY_NUMBER + window[0], TODAY_NUMBER + window[1]))


def test_looks_come_at_5_and_20_s_1_3_and_10_min_and_every_10_min() -> None:
    progress, looks = Progress(export=UNDER_WAY), []
    now = NOON
    while now < NOON + 2300:
        step = next_step(progress, now, TODAY_NUMBER)
        if isinstance(step, Look):
            looks.append(now - NOON)
            progress = planning.looking(progress, now)
        else:
            assert isinstance(step, Wait)
            now = step.until
    assert looks == [5, 20, 60, 180, 600, 1200, 1800]


def test_after_a_restart_it_is_looked_at_once() -> None:
    progress = planning.looking(Progress(export=UNDER_WAY), NOON + 20)
    assert isinstance(next_step(progress, NOON + 21, TODAY_NUMBER), Wait)
    assert next_step(progress, NOON + 21, TODAY_NUMBER, restarted=True) == Look()


@given(st.lists(st.floats(1, 2000), max_size=80), st.booleans())
def test_within_any_hour_there_are_nine_calls_at_most(pauses: list[float], looking: bool) -> None:
    progress, now, calls = Progress(export=UNDER_WAY if looking else None), NOON, []
    for pause in pauses:
        now += pause
        step = next_step(progress, now, TODAY_NUMBER, restarted=True)
        if not isinstance(step, Wait):
            calls.append(now)
            note = planning.looking if looking else lambda of, at: planning.starting(of, at, 1.0)
            progress = note(progress, now)
        else:
            assert step.until > now
    for at in calls:
        assert sum(at <= other < at + HOUR for other in calls) <= 9


def test_what_is_held_back_waits() -> None:
    throttled = Progress(paused_until=NOON + 100)
    assert next_step(throttled, NOON + 99, TODAY_NUMBER) == Wait(NOON + 100)
    assert isinstance(next_step(throttled, NOON + 100, TODAY_NUMBER), Start)


def test_a_start_is_followed_by_another_only_after_an_interval() -> None:
    progress = planning.starting(Progress(), NOON, 6 * HOUR)
    assert next_step(progress, NOON + 1, TODAY_NUMBER) == Wait(NOON + 6 * HOUR)
    progress = planning.given_up(replace(progress, export=UNDER_WAY), NOON + 5 * HOUR, 6 * HOUR)
    assert next_step(progress, NOON + 6 * HOUR, TODAY_NUMBER) == Wait(NOON + 11 * HOUR)


@pytest.mark.parametrize(("newest", "read"), [(None, None), (-3, -3), (-1, -1), (0, -1), (5, -1), (-40, -40)])
def test_a_day_is_read_with_a_row_of_it_but_never_a_day_that_is_not_over(newest: int | None, read: int | None) -> None:
    latest = 0 if newest is None else TODAY_NUMBER + newest
    found = planning.counted(Progress(export=UNDER_WAY), latest, TODAY_NUMBER)
    assert found.newest == (0 if read is None else TODAY_NUMBER + read)
    assert found.export is None
    assert found.reached == 0


def test_the_newest_day_never_falls_and_an_old_window_that_is_empty_is_over_with() -> None:
    progress = Progress(
        newest=TODAY_NUMBER - 60, export=replace(UNDER_WAY, first=TODAY_NUMBER - 62, end=TODAY_NUMBER - 31)
    )
    found = planning.counted(progress, TODAY_NUMBER - 61, TODAY_NUMBER)
    assert (found.newest, found.reached) == (TODAY_NUMBER - 60, TODAY_NUMBER - 33)
    assert planning.next_first(found) == TODAY_NUMBER - 33


def test_moments_of_a_clock_that_was_ahead_are_brought_back() -> None:
    ahead = NOON + 30 * DAY
    export = replace(UNDER_WAY, started_at=ahead, looked_at=ahead)
    progress = Progress(starts=(ahead,), looks=(ahead,), export=export, paused_until=ahead, not_before=ahead)
    found = planning.believed(progress, NOON, 6 * HOUR)
    assert (found.starts, found.looks) == ((NOON,), (NOON,))
    assert (found.paused_until, found.not_before) == (NOON + DAY, NOON + 6 * HOUR)
    assert found.export == replace(UNDER_WAY, started_at=NOON, looked_at=NOON)
    assert planning.believed(found, NOON + 1, 6 * HOUR) == found


def test_an_export_is_too_old_after_five_hours() -> None:
    assert not planning.too_old(UNDER_WAY, NOON + 5 * HOUR - 1)
    assert planning.too_old(UNDER_WAY, NOON + 5 * HOUR)
