"""THE METRIC TABLE: which field of a payload becomes which metric family.

One row is one metric: where its number stands in the payload, its name, its help. A path is checked
against the payloads in the tests, and the metric reference is generated from here.
"""

from __future__ import annotations

from exporter.insights.family import Family
from exporter.insights.payloads import number, timestamp, trend


def _duration(subject: str) -> tuple[Family, ...]:
    """The duration statistics that workflows and jobs have alike."""
    rows = (
        ("min", "min", "Shortest duration"),
        ("mean", "mean", "Mean duration"),
        ("median", "median", "Median duration"),
        ("p95", "p95", "95th percentile of the duration"),
        ("max", "max", "Longest duration"),
        ("standard_deviation", "stddev", "Standard deviation of the duration"),
    )
    return tuple(
        Family(
            f"metrics.duration_metrics.{field}",
            f"circleci_insights_{subject}_duration_{suffix}_seconds",
            f"{text} of the {subject}'s runs in the window.",
        )
        for field, suffix, text in rows
    )


def _aggregates(subject: str) -> tuple[Family, ...]:
    """The aggregates over a reporting window that workflows and jobs have alike."""
    prefix = f"circleci_insights_{subject}_"
    return (
        Family("metrics.total_runs", f"{prefix}runs", "Runs in the window, including running and on-hold runs."),
        Family("metrics.successful_runs", f"{prefix}successful_runs", "Successful runs in the window."),
        Family("metrics.failed_runs", f"{prefix}failed_runs", "Failed runs in the window."),
        Family("metrics.success_rate", f"{prefix}success_ratio", "Success rate as reported by CircleCI, 0 to 1."),
        Family(
            "metrics.throughput",
            f"{prefix}throughput_runs_per_day",
            "Runs per day; CircleCI divides by the days from the first to the last run, not by the window.",
        ),
        Family("metrics.total_credits_used", f"{prefix}credits_used", "Credits used in the window."),
        *_duration(subject),
        Family(
            "window_start",
            f"{prefix}first_run_timestamp_seconds",
            "Time of the first run in the window.",
            read=timestamp,
        ),
        Family(
            "window_end",
            f"{prefix}last_run_timestamp_seconds",
            "Time of the last run in the window.",
            read=timestamp,
        ),
    )


WORKFLOW = (
    *_aggregates("workflow"),
    Family(
        "metrics.mttr",
        "circleci_insights_workflow_mttr_seconds",
        "Mean time from a failed run to the next successful one.",
    ),
)
JOB = _aggregates("job")

PROJECT_TOTALS = tuple(
    Family(f"project_data.{group}.{field}", f"circleci_insights_project_{name}{suffix}", text + end, read=read)
    for field, name, text in (
        ("total_runs", "runs", "Runs of all workflows on all branches in the window"),
        ("success_rate", "success_ratio", "Success rate of all workflows on all branches, 0 to 1"),
        ("throughput", "throughput_runs_per_day", "Runs per day of all workflows on all branches"),
        ("total_credits_used", "credits_used", "Credits used by all workflows on all branches in the window"),
        ("total_duration_secs", "duration_total_seconds", "Total duration of all runs on all branches in the window"),
    )
    for group, suffix, end, read in (
        ("metrics", "", ".", number),
        ("trends", "_trend_ratio", ", relative to the window before; 1 is unchanged.", trend),
    )
)
PROJECT_WORKFLOW = (
    Family("metrics.total_runs", "circleci_insights_project_workflow_runs", "Runs on all branches in the window."),
    Family(
        "metrics.success_rate",
        "circleci_insights_project_workflow_success_ratio",
        "Success rate on all branches, 0 to 1.",
    ),
    Family(
        "metrics.total_credits_used",
        "circleci_insights_project_workflow_credits_used",
        "Credits used on all branches in the window.",
    ),
    Family(
        "metrics.p95_duration_secs",
        "circleci_insights_project_workflow_duration_p95_seconds",
        "95th percentile of the duration on all branches.",
    ),
)

FLAKY_TOTAL = (
    Family("total_flaky_tests", "circleci_insights_flaky_tests", "Flaky tests of the project in the last 14 days."),
)
FLAKY_JOB = (
    Family(
        "times_flaked", "circleci_insights_flaky_test_flakes", "Flakes of the job's flaky tests in the last 14 days."
    ),
    Family(
        "time_wasted",
        "circleci_insights_flaky_test_wasted_seconds",
        "Time wasted by the job's flaky tests in the last 14 days.",
    ),
)
FLAKY_TOP = (
    Family("times_flaked", "circleci_insights_flaky_test_top_flakes", "Flakes of one of the worst flaky tests."),
)

TESTS = (
    Family("average_test_count", "circleci_insights_workflow_tests", "Average number of tests per run."),
    Family(
        "total_test_runs", "circleci_insights_workflow_test_runs", "Runs with test results that CircleCI evaluated."
    ),
)
TEST = (
    Family("p95_duration", "circleci_insights_test_duration_p95_seconds", "95th percentile of the test's duration."),
    Family("failed_runs", "circleci_insights_test_failed_runs", "Failed runs of the test."),
    Family("total_runs", "circleci_insights_test_runs", "Runs of the test."),
)

JOB_BUCKET = (
    Family("metrics.total_runs", "circleci_insights_job_bucket_runs", "Runs in the newest complete bucket."),
    Family(
        "metrics.successful_runs",
        "circleci_insights_job_bucket_successful_runs",
        "Successful runs in the newest complete bucket.",
    ),
    Family(
        "metrics.failed_runs", "circleci_insights_job_bucket_failed_runs", "Failed runs in the newest complete bucket."
    ),
    Family(
        "metrics.throughput",
        "circleci_insights_job_bucket_throughput_runs_per_day",
        "Runs per day in the newest complete bucket, as reported by CircleCI.",
    ),
    Family(
        "metrics.total_credits_used",
        "circleci_insights_job_bucket_credits_used",
        "Credits used in the newest complete bucket.",
    ),
    *(
        Family(
            f"metrics.duration_metrics.{field}",
            f"circleci_insights_job_bucket_duration_{field}_seconds",
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
    Family(
        "timestamp",
        "circleci_insights_job_bucket_start_timestamp_seconds",
        "Start of the newest complete bucket.",
        read=timestamp,
    ),
)

WORKFLOW_SUMMARY = (
    Family(
        "metrics.completed_runs",
        "circleci_insights_workflow_totals_completed_runs",
        "Completed runs, without running and on-hold runs.",
    ),
    *(
        Family(
            f"trends.{field}",
            f"circleci_insights_workflow_totals_{name}_trend_ratio",
            f"{text}, relative to the window before; 1 is unchanged.",
            read=trend,
        )
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

ORGANIZATION = (
    Family(
        "org_data.metrics.total_runs", "circleci_insights_organization_runs", "Runs of the organization in the window."
    ),
    Family(
        "org_data.metrics.total_duration_secs",
        "circleci_insights_organization_duration_total_seconds",
        "Total duration of the organization's runs in the window.",
    ),
    Family(
        "org_data.metrics.total_credits_used",
        "circleci_insights_organization_credits_used",
        "Credits used by the organization in the window.",
    ),
    Family(
        "org_data.metrics.success_rate",
        "circleci_insights_organization_success_ratio",
        "Success rate of the organization, 0 to 1.",
    ),
    Family(
        "org_data.metrics.throughput",
        "circleci_insights_organization_throughput_runs_per_day",
        "Runs per day of the organization.",
    ),
)
