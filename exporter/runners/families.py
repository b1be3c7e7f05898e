"""The metric families of self-hosted runners, with their labels. Pure."""

from __future__ import annotations

from exporter.insights.family import Family, gauges

UNCLAIMED, RUNNING = gauges(
    "circleci_runner_",
    ("unclaimed_task_count", "unclaimed_tasks", "Tasks that wait for a runner of the resource class."),
    ("running_runner_tasks", "running_tasks", "Tasks that run on runners of the resource class."),
)
RUNNERS = Family(
    "items",
    "circleci_runners",
    "Runners of the resource class by version and state: connected (last contact within 5 minutes) or lost.",
)
CLASS, VERSION, STATE = "resource_class", "version", "state"
LABELS = {UNCLAIMED: (CLASS,), RUNNING: (CLASS,), RUNNERS: (CLASS, STATE, VERSION)}
"""The families in the order of a scrape, with their labels in alphabetical order."""
