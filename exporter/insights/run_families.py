"""The families of runs, pipelines and jobs. `path` is the field that each follows from.

A row of `COUNTED` is all that a further counter or histogram needs, but for somebody who tells a book what to add.
"""

from __future__ import annotations

from exporter.insights.family import Family, gauges

BUCKETS, WAIT_BUCKETS = "runs.buckets", "pipelines.wait_buckets"
_WORKFLOW = ("branch", "project", "workflow")
_JOB = ("branch", "job_name", "project", "workflow")

(
    RUNS_TOTAL,
    RUN_DURATION,
    RUN_CREDITS,
    PIPELINES_TOTAL,
    MISSED_RUNS,
    FEEDBACK,
    RERUNS,
    RERUN_JOB_SECONDS,
    RERUN_CREDITS,
    RESCUED,
    JOB_FLAKES,
    JOB_RUNS,
    JOB_CRITICAL_PATH,
    JOB_RUN_DURATION,
    JOB_RUN_WAIT,
) = COUNTED = (
    Family(
        "status",
        "circleci_workflow_runs_total",
        "Finished runs, each counted once; branches that are not configured are summed as other branches.",
        kind="counter",
        labels=("branch", "project", "status", "workflow"),
    ),
    Family(
        "duration",
        "circleci_workflow_run_duration_seconds",
        "Duration of finished runs of every status, without approvals.",
        kind="histogram",
        labels=_WORKFLOW,
        buckets=BUCKETS,
    ),
    Family(
        "credits_used",
        "circleci_workflow_run_credits_total",
        "Credits used by finished runs.",
        kind="counter",
        labels=_WORKFLOW,
    ),
    Family(
        "state",
        "circleci_pipelines_total",
        "Pipelines, each counted once; an errored one has a configuration that does not compile.",
        kind="counter",
        labels=("branch", "outcome", "project", "trigger"),
    ),
    Family(
        "id",
        "circleci_exporter_missed_runs_total",
        "Finished workflow runs that only Insights has told of: neither a look at pipelines nor an event had.",
        kind="counter",
        labels=("project",),
    ),
    Family(
        "stopped_at",
        "circleci_pipeline_feedback_seconds",
        "Time from the creation of a pipeline to its last job that neither a re-run nor an approval started.",
        kind="histogram",
        labels=("branch", "project", "result"),
        buckets=BUCKETS,
    ),
    Family(
        "created_at",
        "circleci_workflow_reruns_total",
        "Finished runs that were not the first of their workflow in a pipeline, by who ran it again and what of it.",
        kind="counter",
        labels=("branch", "kind", "project", "status", "workflow"),
    ),
    Family(
        "stopped_at",
        "circleci_workflow_rerun_job_seconds_total",
        "Run time of the job runs of re-runs.",
        kind="counter",
        labels=_WORKFLOW,
    ),
    Family(
        "credits_used",
        "circleci_workflow_rerun_credits_total",
        "Credits used by re-runs.",
        kind="counter",
        labels=_WORKFLOW,
    ),
    Family(
        "status",
        "circleci_workflow_rescued_total",
        "Pipelines in which a run succeeded after one that failed, of the same commit.",
        kind="counter",
        labels=_WORKFLOW,
    ),
    Family(
        "status",
        "circleci_job_flakes_total",
        "Job runs that failed and whose job then succeeded in the same pipeline.",
        kind="counter",
        labels=_JOB,
    ),
    Family(
        "status",
        "circleci_job_runs_total",
        "Finished job runs, each counted once.",
        kind="counter",
        labels=("branch", "job_name", "project", "status", "workflow"),
    ),
    Family(
        "dependencies",
        "circleci_job_critical_path_seconds_total",
        "Seconds of finished workflow runs during which this job, running or waiting, was what the run waited for.",
        kind="counter",
        labels=("branch", "job_name", "phase", "project", "workflow"),
    ),
    Family(
        "stopped_at",
        "circleci_job_run_duration_seconds",
        "Duration of finished job runs, from start to stop.",
        kind="histogram",
        labels=_JOB,
        buckets=BUCKETS,
    ),
    Family(
        "started_at",
        "circleci_job_run_wait_seconds",
        "Time that job runs waited for an executor after they could have started.",
        kind="histogram",
        labels=_JOB,
        buckets=WAIT_BUCKETS,
    ),
)
"""What is counted of a project, in the order in which it keeps its room: of jobs, counters before histograms."""
OF_JOBS = frozenset(each.name for each in COUNTED if "job" in each.name)
"""What follows from jobs alone."""

LAST_RUN_SUCCESS, LAST_RUN_DURATION, LAST_RUN_TIMESTAMP = LAST_RUN = gauges(
    "circleci_workflow_last_run_",
    ("status", "success", "1 if the last run that succeeded or failed succeeded, 0 if it failed or ended in an error."),
    ("duration", "duration_seconds", "Duration of the last finished run."),
    ("stopped_at", "timestamp_seconds", "Time when the last finished run stopped."),
    labels=_WORKFLOW,
)
FAILURES_IN_A_ROW, RED_SINCE = RED = gauges(
    "circleci_workflow_",
    ("status", "failures_in_a_row", "Pipelines, newest first, whose newest run failed, up to one that succeeded."),
    ("stopped_at", "red_since_timestamp_seconds", "Time when the first of the runs that failed in a row stopped."),
    labels=_WORKFLOW,
)
RUNS = (RUNS_TOTAL, RUN_DURATION, RUN_CREDITS, *LAST_RUN, *RED)
"""What is shown of each workflow and branch, all of it or nothing."""
RUNS_IN_PROGRESS, OLDEST_RUN_IN_PROGRESS, JOBS_IN_PROGRESS, OLDEST_WAITING_JOB, WAITING_JOB_INFO = IN_PROGRESS = (
    Family(
        "status",
        "circleci_workflow_runs_in_progress",
        "Workflow runs in progress, by status.",
        labels=("branch", "project", "status", "workflow"),
    ),
    Family(
        "created_at",
        "circleci_workflow_oldest_run_in_progress_timestamp_seconds",
        "Time when the oldest workflow run in progress was created.",
        labels=_WORKFLOW,
    ),
    Family(
        "status",
        "circleci_jobs_in_progress",
        "Jobs of workflow runs in progress, by status.",
        labels=("project", "status"),
    ),
    Family(
        "started_at",
        "circleci_oldest_waiting_job_timestamp_seconds",
        "Time since when the job that has waited longest for an executor could have started.",
        labels=("project",),
    ),
    Family(
        "name",
        "circleci_oldest_waiting_job_info",
        "Name of the job that has waited longest for an executor, and its workflow; the value is 1.",
        labels=("job_name", "project", "workflow"),
    ),
)
LIVE = (PIPELINES_TOTAL, *IN_PROGRESS, *[each for each in COUNTED if each not in {*RUNS, PIPELINES_TOTAL}])
"""What is shown of pipelines, in the order of a scrape."""
