"""The metric families of self-hosted runners, with their labels. Pure."""

from __future__ import annotations

from exporter.insights.family import Family

UNCLAIMED = Family(
    "unclaimed_task_count",
    "circleci_runner_unclaimed_tasks",
    "Tasks that wait for a runner of the resource class.",
)
RUNNING = Family(
    "running_runner_tasks",
    "circleci_runner_running_tasks",
    "Tasks that run on runners of the resource class.",
)
RUNNERS = Family(
    "items",
    "circleci_runners",
    "Runners of the resource class by version and state: connected (last contact within 5 minutes) or lost.",
)
CLASS, VERSION, STATE = "resource_class", "version", "state"
LABELS = {UNCLAIMED: (CLASS,), RUNNING: (CLASS,), RUNNERS: (CLASS, STATE, VERSION)}
"""The families in the order of a scrape, with their labels in alphabetical order."""
