"""THE METRIC TABLE: which field of a payload becomes which metric family.

One row is one metric: where its number stands in the payload, its name after the prefix, its help, and how it is read
where it is not a plain number. A path is checked against the payloads in the tests, and the metric reference is
generated from here.
"""

from __future__ import annotations

from exporter.insights.family import Family, gauges
from exporter.insights.payloads import number, timestamp, trend, unless_zero


def _aggregates(subject: str) -> tuple[Family, ...]:
    """The aggregates over a reporting window that workflows and jobs have alike."""
    runs = f"of the {subject}'s runs in the window."
    return gauges(
        f"circleci_insights_{subject}_",
        ("metrics.total_runs", "runs", "Runs in the window, including running and on-hold runs."),
        ("metrics.successful_runs", "successful_runs", "Successful runs in the window."),
        ("metrics.failed_runs", "failed_runs", "Failed runs in the window."),
        ("metrics.success_rate", "success_ratio", "Success rate as reported by CircleCI, 0 to 1."),
        ("metrics.throughput", "throughput_runs_per_day", "Runs in the window, divided by its days."),
        ("metrics.total_credits_used", "credits_used", "Credits used in the window."),
        ("metrics.duration_metrics.min", "duration_min_seconds", f"Shortest duration {runs}"),
        ("metrics.duration_metrics.mean", "duration_mean_seconds", f"Mean duration {runs}"),
        ("metrics.duration_metrics.median", "duration_median_seconds", f"Median duration {runs}"),
        ("metrics.duration_metrics.p95", "duration_p95_seconds", f"95th percentile of the duration {runs}"),
        ("metrics.duration_metrics.max", "duration_max_seconds", f"Longest duration {runs}"),
        (
            "metrics.duration_metrics.standard_deviation",
            "duration_stddev_seconds",
            f"Standard deviation of the duration {runs}",
        ),
        ("window_start", "first_run_timestamp_seconds", "Time of the first run in the window.", timestamp),
        ("window_end", "last_run_timestamp_seconds", "Time of the last run in the window.", timestamp),
    )


WORKFLOW = (
    *_aggregates("workflow"),
    *gauges(
        "circleci_insights_workflow_",
        ("metrics.mttr", "mttr_seconds", "Mean time from a failed run to the next successful one."),
    ),
)
JOB = _aggregates("job")

PROJECT_TOTALS = tuple(
    Family(f"project_data.{group}.{field}", f"circleci_insights_project_{name}{suffix}", text + end, read=read)
    for field, name, text in (
        ("total_runs", "runs", "Runs of all workflows on all branches in the window"),
        ("success_rate", "success_ratio", "Success rate of all workflows on all branches, 0 to 1"),
        (
            "throughput",
            "throughput_runs_per_day",
            "Runs of all workflows on all branches in the window, divided by its days",
        ),
        ("total_credits_used", "credits_used", "Credits used by all workflows on all branches in the window"),
        ("total_duration_secs", "duration_total_seconds", "Total duration of all runs on all branches in the window"),
    )
    for group, suffix, end, read in (
        ("metrics", "", ".", number),
        ("trends", "_trend_ratio", ", relative to the window before; 1 is unchanged.", trend),
    )
)
PROJECT_WORKFLOW = gauges(
    "circleci_insights_project_workflow_",
    ("metrics.total_runs", "runs", "Runs on all branches in the window."),
    ("metrics.success_rate", "success_ratio", "Success rate on all branches, 0 to 1."),
    ("metrics.total_credits_used", "credits_used", "Credits used on all branches in the window."),
    ("metrics.p95_duration_secs", "duration_p95_seconds", "95th percentile of the duration on all branches."),
)

FLAKY_TOTAL = gauges(
    "circleci_insights_",
    (
        "total_flaky_tests",
        "flaky_tests",
        "Flaky tests of the project in the last 14 days; a subtest counts beside its parent.",
    ),
)
FLAKY_JOB = gauges(
    "circleci_insights_flaky_test_",
    ("times_flaked", "flakes", "Flakes of the job's flaky tests in the last 14 days."),
    (
        "time_wasted",
        "wasted_seconds",
        "Time wasted by the job's flaky tests in the last 14 days, as far as CircleCI has computed it.",
        unless_zero,
    ),
)
FLAKY_TOP = gauges(
    "circleci_insights_flaky_test_top_",
    ("times_flaked", "flakes", "Flakes of one of the worst flaky tests."),
)

TESTS = gauges(
    "circleci_insights_workflow_",
    ("average_test_count", "tests", "Average number of tests per run."),
    ("total_test_runs", "test_runs", "Runs with test results that CircleCI evaluated."),
)
TEST = gauges(
    "circleci_insights_test_",
    ("p95_duration", "duration_p95_seconds", "95th percentile of the test's duration."),
    ("failed_runs", "failed_runs", "Failed runs of the test."),
    ("total_runs", "runs", "Runs of the test."),
)

JOB_BUCKET = gauges(
    "circleci_insights_job_bucket_",
    ("metrics.total_runs", "runs", "Runs in the newest complete bucket."),
    ("metrics.successful_runs", "successful_runs", "Successful runs in the newest complete bucket."),
    ("metrics.failed_runs", "failed_runs", "Failed runs in the newest complete bucket."),
    (
        "metrics.throughput",
        "throughput_runs_per_day",
        "Runs per day in the newest complete bucket, as reported by CircleCI.",
    ),
    ("metrics.total_credits_used", "credits_used", "Credits used in the newest complete bucket."),
    *(
        (
            f"metrics.duration_metrics.{field}",
            f"duration_{field}_seconds",
            f"{text} of the runs in the newest complete bucket.",
        )
        for field, text in (
            ("min", "Shortest duration"),
            ("median", "Median duration"),
            ("p95", "95th percentile of the duration"),
            ("max", "Longest duration"),
            ("total", "Total duration"),
        )
    ),
    ("timestamp", "start_timestamp_seconds", "Start of the newest complete bucket.", timestamp),
)

WORKFLOW_SUMMARY = gauges(
    "circleci_insights_workflow_totals_",
    ("metrics.completed_runs", "completed_runs", "Completed runs, without running and on-hold runs."),
    *(
        (f"trends.{field}", f"{name}_trend_ratio", f"{text}, relative to the window before; 1 is unchanged.", trend)
        for field, name, text in (
            ("total_runs", "runs", "Runs"),
            ("failed_runs", "failed_runs", "Failed runs"),
            ("success_rate", "success", "Success rate"),
            ("p95_duration_secs", "duration_p95", "95th percentile of the duration"),
            ("median_duration_secs", "duration_median", "Median duration"),
            ("total_credits_used", "credits", "Credits used"),
            ("mttr", "mttr", "Mean time to recovery"),
            ("throughput", "throughput", "Throughput"),
        )
    ),
)

ORGANIZATION = gauges(
    "circleci_insights_organization_",
    ("org_data.metrics.total_runs", "runs", "Runs of the organization in the window."),
    (
        "org_data.metrics.total_duration_secs",
        "duration_total_seconds",
        "Total duration of the organization's runs in the window.",
    ),
    ("org_data.metrics.total_credits_used", "credits_used", "Credits used by the organization in the window."),
    ("org_data.metrics.success_rate", "success_ratio", "Success rate of the organization, 0 to 1."),
    (
        "org_data.metrics.throughput",
        "throughput_runs_per_day",
        "Runs of the organization in the window, divided by its days.",
    ),
)
