"""The card of what happens now, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.web.page.now import RUNS_A_GROUP, now_card
from exporter.web.page.overview import NowView, Phase, RunView
from tests.web.published import NOW, run_in_progress

if TYPE_CHECKING:
    from exporter.web.page.now import NowCard


def card(*runs: RunView, unknown: int = 0, pending: int = 0) -> NowCard:
    return now_card(NowView(runs, unknown, pending), runs, NOW)


def test_runs_stand_in_the_group_of_their_phase_with_their_age() -> None:
    found = card(
        run_in_progress("deploy", Phase.ON_HOLD, age=90_000),
        run_in_progress("build", age=750),
        run_in_progress("queued", Phase.WAITING, age=30),
    )
    assert found.total == "3"
    assert [
        (group.title, group.total, [(line.workflow, line.age) for line in group.lines]) for group in found.groups
    ] == [
        ("Running", "1", [("build", "12m")]),
        ("Waiting", "1", [("queued", "30s")]),
        ("On hold", "1", [("deploy", "1d")]),
    ]


def test_the_oldest_of_a_group_are_shown_and_it_says_how_many_more_there_are() -> None:
    runs = [run_in_progress(f"build {number}", age=1000 - number) for number in range(RUNS_A_GROUP + 1234)]
    running, waiting, _ = card(*runs).groups
    assert [line.workflow for line in running.lines] == [f"build {number}" for number in range(RUNS_A_GROUP)]
    assert (running.total, running.more) == ("1,239", "1,234")
    assert (waiting.total, waiting.lines, waiting.more) == ("0", (), "")


@pytest.mark.parametrize(
    ("jobs", "wait", "words"),
    [
        ((), None, ""),
        ((("running", 2),), None, "2 running"),
        ((("blocked", 3), ("queued", 1), ("running", 1)), 240, "1 running, 1 waiting for 4m, 3 blocked"),
        ((("not_running", 1), ("queued", 1)), 240, "2 waiting for up to 4m"),
        ((("on_hold", 1), ("strange", 2)), None, "1 on hold, 2 other"),
    ],
)
def test_jobs_are_summed_by_what_they_wait_for(
    jobs: tuple[tuple[str, int], ...], wait: float | None, words: str
) -> None:
    run = run_in_progress("build", jobs=jobs, waiting_since=None if wait is None else NOW - wait)
    assert card(run).groups[0].lines[0].jobs == words


def test_the_run_whose_job_has_waited_longest_is_named() -> None:
    found = card(
        run_in_progress("none waits", age=900),
        run_in_progress("waits", age=800, waiting_since=NOW - 60),
        run_in_progress("waits longest", age=700, waiting_since=NOW - 300),
    )
    assert found.longest_wait is not None
    assert (found.longest_wait.workflow, found.longest_wait.wait) == ("waits longest", "5m")
    assert card(run_in_progress("none waits")).longest_wait is None


def test_a_status_is_told_where_the_group_does_not_say_it() -> None:
    said = {
        (phase, status): card(run_in_progress("w", phase, status=status)).groups[index].lines[0].status
        for index, (phase, status) in enumerate(
            [(Phase.RUNNING, "failing"), (Phase.WAITING, "queued"), (Phase.ON_HOLD, "on_hold")]
        )
    }
    assert list(said.values()) == ["failing", "queued", ""]
    assert card(run_in_progress("w", status="running")).groups[0].lines[0].status == ""


def test_what_could_not_be_looked_at_is_counted_and_not_shown() -> None:
    assert (card().unknown, card().pending) == ("", "")
    found = card(unknown=3, pending=2)
    assert (found.unknown, found.pending, found.total) == ("3", "2", "0")
