"""What the exporter must show, worked out from what the synthetic CircleCI knows, never with the exporter's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tests.running.scrapes import series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALL_BRANCHES = "all branches"

COUNTS = {
    "runs": "total_runs",
    "successful_runs": "successful_runs",
    "failed_runs": "failed_runs",
    "success_ratio": "success_rate",
    "throughput_runs_per_day": "throughput",
    "credits_used": "total_credits_used",
}
DURATIONS = {
    "duration_min_seconds": "min",
    "duration_mean_seconds": "mean",
    "duration_median_seconds": "median",
    "duration_p95_seconds": "p95",
    "duration_max_seconds": "max",
    "duration_stddev_seconds": "standard_deviation",
}
TIMES = ("first_run_timestamp_seconds", "last_run_timestamp_seconds")


class Knows(Protocol):
    """What knows the true metrics of a workflow or job: a running synthetic CircleCI."""

    def metrics(self, project: str, workflow: str, window: str, **scope: str) -> dict[str, Any] | None:
        """The `metrics` object of a row, or None when nothing ran."""


def gauges(prefix: str, metrics: dict[str, Any] | None, labels: dict[str, str]) -> dict[str, float]:
    """The samples of one row: a null gives none."""
    if metrics is None:
        return {}
    found = {suffix: metrics[field] for suffix, field in COUNTS.items()}
    found |= {suffix: metrics["duration_metrics"][field] for suffix, field in DURATIONS.items()}
    if "mttr" in metrics:
        found["mttr_seconds"] = metrics["mttr"]
    return {series(f"{prefix}_{suffix}", labels): float(value) for suffix, value in found.items() if value is not None}


def of_project(
    circle: Knows,
    slug: str,
    workflows: Mapping[str, Iterable[str]],
    *,
    windows: Iterable[str] = ("last-7-days",),
    branches: Iterable[str] = ("main",),
    project: str = "",
) -> dict[str, float]:
    """All gauges of a project's workflows and jobs but the two times: `workflows` has each one's jobs."""
    expected: dict[str, float] = {}
    for window in windows:
        for branch in branches:
            for workflow, jobs in workflows.items():
                labels = {"project": project or slug, "workflow": workflow, "branch": branch, "window": window}
                truth = circle.metrics(slug, workflow, window, branch=branch)
                expected |= gauges("circleci_insights_workflow", truth, labels)
                for job in jobs:
                    truth = circle.metrics(slug, workflow, window, branch=branch, job=job)
                    expected |= gauges("circleci_insights_job", truth, labels | {"job_name": job})
    return expected


def shown(values: dict[str, float]) -> dict[str, float]:
    """Of a project's series the gauges that `of_project` works out."""
    prefixes = ("circleci_insights_workflow_", "circleci_insights_job_")
    return {
        name: value
        for name, value in values.items()
        if name.startswith(prefixes) and not any(f"_{time}{{" in name for time in TIMES)
    }
