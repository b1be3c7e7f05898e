"""The families of what is counted one by one: runs, pipelines and jobs. `path` is the field that each follows from."""

from __future__ import annotations

from exporter.insights.family import Family, gauges

RUNS_TOTAL = Family(
    "status",
    "circleci_workflow_runs_total",
    "Finished runs, each counted once; branches that are not configured are summed as other branches.",
    kind="counter",
)
RUN_DURATION = Family(
    "duration",
    "circleci_workflow_run_duration_seconds",
    "Duration of finished runs of every status, without approvals.",
    kind="histogram",
)
RUN_CREDITS = Family(
    "credits_used", "circleci_workflow_run_credits_total", "Credits used by finished runs.", kind="counter"
)
LAST_RUN_SUCCESS, LAST_RUN_DURATION, LAST_RUN_TIMESTAMP = _LAST = gauges(
    "circleci_workflow_last_run_",
    ("status", "success", "1 if the last run that succeeded or failed succeeded, 0 if it failed or ended in an error."),
    ("duration", "duration_seconds", "Duration of the last finished run."),
    ("stopped_at", "timestamp_seconds", "Time when the last finished run stopped."),
)
RUN = (RUN_DURATION, RUN_CREDITS, *_LAST)
RUNS = (RUNS_TOTAL, *RUN)

PIPELINES_TOTAL = Family(
    "state",
    "circleci_pipelines_total",
    "Pipelines, each counted once; an errored one has a configuration that does not compile.",
    kind="counter",
)
RUNS_IN_PROGRESS = Family("status", "circleci_workflow_runs_in_progress", "Workflow runs in progress, by status.")
OLDEST_RUN_IN_PROGRESS = Family(
    "created_at",
    "circleci_workflow_oldest_run_in_progress_timestamp_seconds",
    "Time when the oldest workflow run in progress was created.",
)
JOB_RUNS = Family("status", "circleci_job_runs_total", "Finished job runs, each counted once.", kind="counter")
JOB_RUN_DURATION = Family(
    "stopped_at",
    "circleci_job_run_duration_seconds",
    "Duration of finished job runs, from start to stop.",
    kind="histogram",
)
JOB_RUN_WAIT = Family(
    "started_at",
    "circleci_job_run_wait_seconds",
    "Time that job runs waited for an executor after they could have started.",
    kind="histogram",
)
JOB_CRITICAL_PATH = Family(
    "dependencies",
    "circleci_job_critical_path_seconds_total",
    "Seconds of finished workflow runs during which this job, running or waiting, was what the run waited for.",
    kind="counter",
)
JOBS_IN_PROGRESS = Family("status", "circleci_jobs_in_progress", "Jobs of workflow runs in progress, by status.")
OLDEST_WAITING_JOB = Family(
    "started_at",
    "circleci_oldest_waiting_job_timestamp_seconds",
    "Time since when the job that has waited longest for an executor could have started.",
)
LIVE = (
    PIPELINES_TOTAL,
    RUNS_IN_PROGRESS,
    OLDEST_RUN_IN_PROGRESS,
    JOBS_IN_PROGRESS,
    OLDEST_WAITING_JOB,
    JOB_RUNS,
    JOB_CRITICAL_PATH,
    JOB_RUN_DURATION,
    JOB_RUN_WAIT,
)
