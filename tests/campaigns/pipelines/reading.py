"""Which families a scrape shows of pipelines."""

from __future__ import annotations

from tests.campaigns.pipelines.attempts import RED
from tests.campaigns.pipelines.truth import IN_PROGRESS, OLDEST

COUNTERS = (
    "circleci_pipelines_total",
    "circleci_workflow_runs_total",
    "circleci_workflow_run_duration_seconds_",
    "circleci_workflow_run_credits_total",
    "circleci_job_runs_total",
    "circleci_job_run_duration_seconds_",
    "circleci_job_run_wait_seconds_",
    "circleci_job_critical_path_seconds_total",
    "circleci_workflow_rerun",
    "circleci_workflow_rescued_total",
    "circleci_job_flakes_total",
    "circleci_pipeline_feedback_seconds_",
)
GAUGES = (*IN_PROGRESS, *OLDEST, *RED)
"""What is in progress, and what is red."""
