"""The families that a project's publication shows of the project itself and of its polls."""

from __future__ import annotations

from exporter.insights.family import Family, gauges

PROJECT_INFO = Family("", "circleci_insights_project_info", "Project information for joins; always 1.")
DEFAULT_BRANCH = Family("", "circleci_insights_default_branch", "The project's default branch, for joins; always 1.")

COLLECTOR_SUCCESS, COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS, COLLECTOR_INTERVAL = gauges(
    "circleci_exporter_collector_",
    ("", "success", "1 if CircleCI answered everything that the collector asked last, 0 if something of it failed."),
    ("", "duration_seconds", "Duration of the collector's last poll."),
    ("", "last_success_timestamp_seconds", "Time of the collector's last successful poll."),
    ("", "interval_seconds", "Longest time between two polls of the collector, as configured."),
)
COLLECTOR_FAILING = Family(
    "",
    "circleci_exporter_collector_failing",
    "1 while the collector's last poll has failed, with the reason of its first failure.",
    labels=("collector", "project", "reason"),
)
DROPPED_SERIES = Family(
    "",
    "circleci_exporter_dropped_series_total",
    "Series dropped beyond max_series and branches dropped beyond the glob limit, counted at each poll.",
    kind="counter",
    labels=("project", "reason"),
)
OWN = (
    COLLECTOR_SUCCESS,
    COLLECTOR_FAILING,
    COLLECTOR_DURATION,
    COLLECTOR_LAST_SUCCESS,
    COLLECTOR_INTERVAL,
    DROPPED_SERIES,
)
