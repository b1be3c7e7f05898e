"""What happens now, in words."""

from __future__ import annotations

import pytest

from exporter.web.page.now import by_phase, jobs, longest_wait, status
from exporter.web.page.overview import Phase
from tests.web.published import NOW, run_in_progress


def test_runs_stand_in_the_group_of_their_phase() -> None:
    deploy, build = run_in_progress("deploy", Phase.ON_HOLD), run_in_progress("build")
    queued, waiting = run_in_progress("queued", Phase.WAITING), run_in_progress("waiting", Phase.WAITING)
    assert by_phase([deploy, queued, build, waiting]) == [
        (Phase.RUNNING, [build]),
        (Phase.WAITING, [queued, waiting]),
        (Phase.ON_HOLD, [deploy]),
    ]


@pytest.mark.parametrize(
    ("counts", "wait", "words"),
    [
        ((), None, ""),
        ((("running", 2),), None, "2 running"),
        ((("blocked", 3), ("queued", 1), ("running", 1)), 240, "1 running, 1 waiting for 4m, 3 blocked"),
        ((("not_running", 1), ("queued", 1)), 240, "2 waiting for up to 4m"),
        ((("on_hold", 1), ("strange", 2)), None, "1 on hold, 2 other"),
    ],
)
def test_jobs_are_summed_by_what_they_wait_for(
    counts: tuple[tuple[str, int], ...], wait: float | None, words: str
) -> None:
    run = run_in_progress("build", jobs=counts, waiting_since=None if wait is None else NOW - wait)
    assert jobs(run, NOW) == words


def test_the_run_whose_job_has_waited_longest_is_named() -> None:
    longest = run_in_progress("waits longest", age=700, waiting_since=NOW - 300)
    runs = [
        run_in_progress("none waits", age=900),
        run_in_progress("waits", age=800, waiting_since=NOW - 60),
        longest,
    ]
    assert longest_wait(runs) is longest
    assert longest_wait(runs[:1]) is None


def test_a_status_is_told_where_the_group_does_not_say_it() -> None:
    assert status(run_in_progress("w", Phase.RUNNING, status="failing")) == "failing"
    assert status(run_in_progress("w", Phase.WAITING, status="queued")) == "queued"
    assert status(run_in_progress("w", Phase.ON_HOLD, status="on_hold")) == ""
    assert status(run_in_progress("w", status="running")) == ""
