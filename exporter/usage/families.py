"""The metric families of the Usage export, with their labels. Pure."""

from __future__ import annotations

from exporter.insights.family import Family, gauges

COLLECTOR = "usage"
"""Label `collector` of everything that fails here."""
_JOB = ("job_name", "project", "resource_class", "workflow")
CREDITS = Family(
    "*_CREDITS",
    "circleci_usage_credits_total",
    "Credits of all job runs of the organization, by kind.",
    kind="counter",
    labels=("kind", "organization"),
)
JOB_CREDITS = Family(
    "TOTAL_CREDITS",
    "circleci_usage_job_credits_total",
    "Credits of the job's runs.",
    kind="counter",
    labels=_JOB,
)
JOB_SECONDS = Family(
    "JOB_RUN_SECONDS",
    "circleci_usage_job_run_seconds_total",
    "Seconds that the job ran, as CircleCI counts them for credits.",
    kind="counter",
    labels=_JOB,
)
JOB_RUNS = Family(
    "JOB_BUILD_STATUS",
    "circleci_usage_job_runs_total",
    "Finished runs of the job, by status.",
    kind="counter",
    labels=("job_name", "project", "resource_class", "status", "workflow"),
)
QUEUE = Family(
    "JOB_RUN_QUEUED_AT",
    "circleci_usage_job_queue_seconds",
    "Time from queueing to start of job runs, by resource class.",
    kind="histogram",
    labels=("project", "resource_class"),
)
RATIOS = gauges(
    "circleci_usage_job_",
    (
        "MEDIAN_CPU_UTILIZATION_PCT",
        "cpu_median_ratio",
        "Median over the job's runs of their median CPU utilization, on the newest day read.",
    ),
    ("MAX_CPU_UTILIZATION_PCT", "cpu_max_ratio", "Highest CPU utilization of the job's runs on the newest day read."),
    (
        "MEDIAN_RAM_UTILIZATION_PCT",
        "memory_median_ratio",
        "Median over the job's runs of their median memory utilization, on the newest day read.",
    ),
    (
        "MAX_RAM_UTILIZATION_PCT",
        "memory_max_ratio",
        "Highest memory utilization of the job's runs on the newest day read.",
    ),
    labels=_JOB,
)
DAY = Family(
    "JOB_RUN_DATE",
    "circleci_usage_day_timestamp_seconds",
    "Start of the newest day counted, in UTC.",
    labels=("organization",),
)
RECONCILED = Family(
    "JOB_ID",
    "circleci_exporter_reconciled_job_runs",
    "Job runs that ended on the newest day compared: in the Usage export and in the counters here, or in one of them.",
    labels=("project", "result"),
)
RECONCILED_DAY = Family(
    "JOB_RUN_STOPPED_AT",
    "circleci_exporter_reconciled_day_timestamp_seconds",
    "Start of the newest day that was compared with the counters here, in UTC.",
    labels=("organization",),
)
FAMILIES = (CREDITS, JOB_CREDITS, JOB_SECONDS, JOB_RUNS, QUEUE, *RATIOS, DAY, RECONCILED, RECONCILED_DAY)
"""The families in the order of a scrape."""
