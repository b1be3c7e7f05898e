from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from exporter.demo.catalog import builtin
from exporter.demo.generated import Stream, job_runs
from exporter.demo.model import FINISHED, DemoJob, DemoWorkflow, Run
from tests.demo.asking import DAY, NOON

TODAY = int(NOON // DAY)
WEB = builtin(1)[0]
PLAIN = DemoWorkflow("plain", (DemoJob("a", 0.5), DemoJob("b", 0.4)), runs_per_day=40, seconds=100)


def stream(workflow: DemoWorkflow = PLAIN, *, seed: int = 1, pace: float = 1.0, epoch: float = NOON) -> Stream:
    return Stream(seed, WEB, workflow, epoch, pace)


def days(of: Stream, count: int = 30) -> list[Run]:
    return [run for day in range(TODAY - count, TODAY) for run in of.day(day)]


def test_a_day_is_the_same_however_often_it_is_asked_for() -> None:
    assert stream().day(TODAY) == stream().day(TODAY)
    assert stream().day(TODAY) != stream(seed=2).day(TODAY)
    assert stream().day(TODAY) != stream().day(TODAY + 1)


def test_runs_of_a_day_are_created_within_it_in_order() -> None:
    created = [run.created for run in stream(pace=20).day(TODAY)]
    assert created == sorted(created)
    assert all(TODAY * DAY <= at < (TODAY + 1) * DAY for at in created)


def test_ids_are_unique() -> None:
    runs = days(stream(pace=3, epoch=NOON - 20 * DAY))
    assert len({run.id for run in runs}) == len(runs) > 1000


def test_chances_are_kept() -> None:
    counts = Counter(run.status for run in days(stream(replace(PLAIN, failure=0.2, troubled=0.2))))
    total = sum(counts.values())
    assert set(counts) == set(FINISHED)
    assert 0.15 < counts["failed"] / total < 0.25
    assert 0.5 < counts["success"] / total < 0.7


def test_a_workflow_without_failures_has_none() -> None:
    assert {run.status for run in days(stream(replace(PLAIN, failure=0, troubled=0)))} == {"success"}


def test_weekends_are_quiet() -> None:
    saturday = TODAY - 3
    assert len(stream().day(saturday)) < 0.7 * len(stream().day(saturday - 2))


def test_a_steady_workflow_has_the_same_number_every_day() -> None:
    assert {len(stream(replace(PLAIN, steady=True)).day(day)) for day in range(TODAY - 9, TODAY)} == {40}


def test_runs_come_faster_from_shortly_before_the_start() -> None:
    usual, busy = stream(), stream(pace=10)
    assert busy.day(TODAY - 1) == usual.day(TODAY - 1)
    more = set(busy.day(TODAY)) - set(usual.day(TODAY))
    assert len(more) > 100
    assert min(run.created for run in more) >= NOON - 3600


def test_recent_runs_of_a_workflow_that_got_slow_take_longer() -> None:
    slow = stream(replace(PLAIN, slower=3.0, failure=0, troubled=0))
    before = [run.duration or 0 for run in slow.day(TODAY - 10)]
    after = [run.duration or 0 for run in slow.day(TODAY - 1)]
    assert min(after) > max(75, sum(before) / len(before))


def test_a_workflow_that_is_not_measured_has_no_durations() -> None:
    runs = days(stream(replace(PLAIN, measured=False)), 3)
    assert {run.duration for run in runs} == {None}
    assert {run.credits for run in runs} == {0}


def test_some_held_runs_end_late_and_some_never() -> None:
    runs = days(stream(replace(PLAIN, held=0.5)))
    assert any(run.stopped is None for run in runs)
    assert any(run.stopped is not None and run.stopped - run.created > 3600 for run in runs)
    assert any(run.is_approval for run in runs)


@pytest.mark.parametrize(("on_default", "expected"), [(1.0, {"main"}), (0.0, set(WEB.branches))])
def test_runs_keep_to_their_branches(on_default: float, expected: set[str]) -> None:
    assert {run.branch for run in days(stream(replace(PLAIN, on_default=on_default)))} == expected


def finished(status: str | None, duration: int | None = 100) -> Run:
    return Run("an id", "main", 1000.0, None if status is None else 1100.0, status, duration, 50)


def test_every_job_of_a_good_run_is_good() -> None:
    first, second = job_runs(PLAIN, finished("success"))
    assert (first.status, first.duration, first.credits) == ("success", 50, 25)
    assert (second.status, second.duration, second.credits) == ("success", 40, 20)
    assert second.stopped == 1041.0


def test_the_last_job_of_a_failed_run_failed() -> None:
    statuses = {tuple(job.status for job in job_runs(PLAIN, replace(finished("failed"), id=str(n)))) for n in range(20)}
    assert statuses == {("failed",), ("success", "failed")}


def test_jobs_of_a_run_under_way_have_no_end() -> None:
    assert {(job.status, job.stopped, job.duration) for job in job_runs(PLAIN, finished(None, None))} == {
        (None, None, None)
    }


def test_an_approval_takes_no_time_and_no_credits() -> None:
    (hold,) = job_runs(DemoWorkflow("w", (DemoJob("hold", approval=True),)), finished("success"))
    assert (hold.status, hold.duration, hold.credits) == (None, None, 0)


def test_jobs_of_a_run_that_is_not_measured_end_with_it() -> None:
    first, *_ = job_runs(PLAIN, finished("success", None))
    assert (first.duration, first.stopped) == (None, 1100.0)


def test_a_workflow_without_jobs_has_no_job_runs() -> None:
    assert job_runs(DemoWorkflow("w"), finished("failed")) == []
    assert job_runs(DemoWorkflow("w"), finished("success")) == []
