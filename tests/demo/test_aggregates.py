from __future__ import annotations

import statistics

import pytest

from exporter.demo.aggregates import (
    INFINITE,
    durations,
    job_metrics,
    mean_recovery,
    percentile,
    ratio,
    spread,
    throughput,
    trend,
    workflow_metrics,
)
from exporter.demo.model import DemoJob, JobRun, Run
from tests.demo.asking import DAY


def run(at: float, status: str | None = "success", duration: int | None = 60, *, approval: bool = False) -> Run:
    stopped = None if status is None else at + 100
    return Run(f"run-{at}", "main", at, stopped, status, duration, 5, approval)


def test_a_percentile_lies_between_its_neighbors() -> None:
    assert percentile([3005, 6011], 0.95) == 5860
    assert percentile([7], 0.95) == 7
    assert percentile([1, 2, 3], 1.0) == 3


def test_the_spread_agrees_with_the_statistics_of_the_standard_library() -> None:
    values = [31, 46, 96, 72, 18, 44]
    found = spread(values)
    assert (found["min"], found["max"]) == (18, 96)
    assert found["mean"] == int(statistics.mean(values))
    assert found["median"] == int(statistics.median(values))
    assert found["standard_deviation"] == float(int(statistics.stdev(values)))


def test_without_durations_the_spread_is_null() -> None:
    assert set(spread([]).values()) == {None}


def test_a_single_duration_has_no_deviation() -> None:
    assert spread([9])["standard_deviation"] == 0.0


def test_throughput_is_runs_by_days_of_the_window() -> None:
    assert throughput(18, 7 * DAY) == 18 / 7
    assert throughput(54, 90 * DAY) == 0.6


def test_a_ratio_of_nothing_is_zero() -> None:
    assert ratio(0, 0) == 0.0


def test_recovery_is_from_the_first_failure_to_the_next_success() -> None:
    runs = [run(0, "failed"), run(10, None), run(50, "failed"), run(300), run(400), run(500, "failed"), run(600)]
    assert mean_recovery(runs) == 200


@pytest.mark.parametrize("runs", [[], [run(0)], [run(0, "failed")]])
def test_without_a_recovery_there_is_no_time_to_it(runs: list[Run]) -> None:
    assert mean_recovery(runs) is None


def test_approvals_and_runs_without_an_end_have_no_duration() -> None:
    assert durations([run(0), run(1, None, None), run(2, approval=True)]) == [60]


def test_all_runs_count_but_only_successful_ones_make_the_rate() -> None:
    found = workflow_metrics([run(0), run(1, "failed"), run(2, "canceled"), run(3, None, None)], DAY)
    assert (found["total_runs"], found["successful_runs"], found["failed_runs"]) == (4, 1, 1)
    assert found["success_rate"] == 0.25
    assert found["total_credits_used"] == 20


def test_a_workflow_that_is_not_measured_has_nulls() -> None:
    found = workflow_metrics([run(0, "failed"), run(1)], DAY, measured=False)
    assert found["mttr"] is None
    assert found["total_credits_used"] is None


def test_job_metrics_leave_out_what_has_no_duration() -> None:
    job = DemoJob("hold", approval=True)
    found = job_metrics([JobRun(job, None, 0.0, None, None, 0), JobRun(job, "failed", 1.0, 9.0, 8, 2)], DAY)
    assert (found["total_runs"], found["successful_runs"], found["failed_runs"]) == (2, 0, 1)
    assert found["duration_metrics"] == spread([8])


def test_a_trend_is_current_over_prior() -> None:
    assert trend(3, 2) == 1.5
    assert trend(None, 2) == 0.0
    assert trend(0, 0) == 1.0
    assert trend(None, None) == 1.0
    assert trend(5, 0) == INFINITE
