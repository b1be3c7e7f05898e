"""The metric families of self-hosted runners, with their labels. Pure."""

from __future__ import annotations

from exporter.insights.family import Family, gauges

CLASS, VERSION, STATE = "resource_class", "version", "state"
UNCLAIMED, RUNNING = gauges(
    "circleci_runner_",
    ("unclaimed_task_count", "unclaimed_tasks", "Tasks that wait for a runner of the resource class."),
    ("running_runner_tasks", "running_tasks", "Tasks that run on runners of the resource class."),
    labels=(CLASS,),
)
RUNNERS = Family(
    "items",
    "circleci_runners",
    "Runners of the resource class by version and state: connected (last contact within 5 minutes) or lost.",
    labels=(CLASS, STATE, VERSION),
)
FAMILIES = (UNCLAIMED, RUNNING, RUNNERS)
"""The families in the order of a scrape."""
