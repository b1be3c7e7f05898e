"""Which questions a poll asks of several windows, and what it shows of those that it does not ask."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.running.engine import Running, hourly

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = "gh/acme/web"
WINDOWS = ("last-24-hours", "last-7-days", "last-30-days", "last-60-days", "last-90-days")
RUNS = "circleci_insights_workflow_runs"
HOUR = 3600.0
LISTS = "/insights/gh/acme/web/workflows"


def settings(windows: int, more: str = "") -> str:
    return f"windows: [{', '.join(WINDOWS[:windows])}], collectors: [workflows]{more}"


def say(running: Running, runs: dict[str, int]) -> None:
    """Let CircleCI say from now on that each window has so many runs of its only workflow."""
    running.circle.heal()
    for window, total in runs.items():
        row = {"name": "build", "window_start": None, "window_end": None, "metrics": {"total_runs": total}}
        body = json.dumps({"items": [row], "next_page_token": None})
        running.circle.fail("body", match=f"reporting-window={window}", text=body)


def shown(running: Running) -> dict[str, float | None]:
    return {window: running.value(RUNS, window=window) for window in WINDOWS if running.samples(RUNS, window=window)}


def polls(running: Running, count: int) -> Iterator[int]:
    """Poll so often, hour by hour; gives the number of lists that each asked for."""
    running.asked()
    for _ in range(count):
        running.now += HOUR
        running.poll()
        yield running.asked().count(LISTS)


def test_half_of_the_windows_are_asked_for_while_none_changes() -> None:
    for windows, half in ((1, 1), (2, 1), (3, 2), (5, 3)):
        with hourly(settings(windows)) as running:
            running.poll()
            assert running.asked().count(LISTS) == windows
            assert list(polls(running, 4)) == [half] * 4


@pytest.mark.parametrize("changing", WINDOWS[:3])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_window_that_changes_alone_is_seen_one_poll_later_at_most(changing: str, after: int) -> None:
    with hourly(settings(3)) as running:
        runs = dict.fromkeys(WINDOWS[:3], 5)
        say(running, runs)
        running.poll()
        list(polls(running, after))
        runs[changing] = 7
        say(running, runs)
        list(polls(running, 2))
        assert shown(running) == runs


def test_windows_that_change_together_are_seen_together_at_once() -> None:
    with hourly(settings(2)) as running:
        say(running, dict.fromkeys(WINDOWS[:2], 5))
        running.poll()
        for total in (6, 7, 8):
            runs = dict.fromkeys(WINDOWS[:2], total)
            say(running, runs)
            assert list(polls(running, 1)) == [2]
            assert shown(running) == runs


def test_a_window_that_fails_is_asked_for_at_each_poll_and_goes_stale_while_the_other_goes_on() -> None:
    with hourly(settings(2)) as running:
        say(running, dict.fromkeys(WINDOWS[:2], 5))
        running.poll()
        running.circle.heal()
        running.circle.fail("bad_request", match=f"reporting-window={WINDOWS[0]}")
        assert list(polls(running, 2)) == [2, 2]
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 0
        assert running.samples(RUNS, window=WINDOWS[0])
        assert list(polls(running, 1)) == [2]
        assert not running.samples(RUNS, window=WINDOWS[0])
        assert running.samples(RUNS, window=WINDOWS[1])


def test_after_an_outage_each_window_is_asked_for() -> None:
    with hourly(settings(2)) as running:
        running.poll()
        running.now += 5 * HOUR
        assert list(polls(running, 1)) == [2]


def test_jobs_of_a_window_whose_list_was_not_asked_for_hold() -> None:
    with hourly("windows: [last-24-hours, last-7-days]") as running:
        for _ in range(4):
            running.poll()
            running.now += HOUR
        running.asked()
        running.poll()
        assert len(running.asked()) == 1
        assert len(running.samples("circleci_insights_job_runs", workflow="build-and-test")) == 10


def test_the_windows_of_the_projects_summary_alternate_too() -> None:
    with hourly("windows: [last-24-hours, last-7-days], collectors: [project]") as running:
        running.poll()
        running.asked()
        for _ in range(3):
            running.now += HOUR
            running.poll()
            assert len(running.asked()) == 1
