"""The moments that have samples, and the files that they stand in."""

from __future__ import annotations

import itertools

import pytest

from exporter.history.grid import DAY, Grid, Span

NOW = 1_790_000_000.0
START = NOW - 90 * DAY


def test_the_last_step_is_not_after_now_and_the_first_is_one_before_the_start() -> None:
    grid = Grid.over(START, NOW, 3600)
    assert NOW - 3600 < grid.last * 3600 <= NOW
    assert START - 3600 <= grid.first * 3600 < START
    assert grid.times()[0] == str(grid.first * 3600)
    assert grid.times()[-1] == str(grid.last * 3600)


def test_a_step_has_seen_what_happened_at_its_moment_and_not_what_happened_after_it() -> None:
    grid = Grid.over(START, NOW, 3600)
    moment = (grid.last - 5) * 3600
    assert grid.at(moment) == grid.last - 5
    assert grid.at(moment + 0.001) == grid.last - 4
    assert grid.at(START - DAY) == grid.first + 1, "the step before it has the 0"


@pytest.mark.parametrize(("days", "files"), [(1, 1), (30, 1), (31, 2), (60, 2), (90, 3)])
@pytest.mark.parametrize("step", [60, 3600, 7000, DAY])
def test_there_is_a_file_for_each_30_days_and_each_step_is_in_one_of_them(days: int, files: int, step: int) -> None:
    grid = Grid.over(NOW - days * DAY, NOW, step)
    spans = grid.spans(days)
    assert len(spans) == files
    assert spans[0].first == grid.first
    assert spans[-1].end == grid.last + 1
    for before, after in itertools.pairwise(spans):
        assert before.end == after.first
    assert len({grid.file_name(span) for span in spans}) == files


def test_a_file_is_named_by_its_first_and_last_day() -> None:
    assert Grid(3600, 0, 47).file_name(Span(0, 48)) == "circleci-runs-19700101-19700102.om"


def test_a_time_shorter_than_a_step_has_two_steps() -> None:
    grid = Grid.over(NOW, NOW, DAY)
    assert grid.first < grid.last <= NOW / DAY


def test_what_is_known_until_a_moment_has_the_steps_until_then_and_two_at_least() -> None:
    grid = Grid.over(36_000, 72_000, 3600)
    assert grid.until(71_999) == Grid(3600, 9, 19)
    assert grid.until(72_000) == grid.until(99_000) == grid
    assert grid.until(0) == Grid(3600, 9, 10)
