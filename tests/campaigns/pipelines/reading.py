"""What a scrape shows of pipelines, by family and sorted labels; no label of a campaign holds quotes or commas."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tests.campaigns.pipelines.attempts import RED
from tests.campaigns.pipelines.truth import IN_PROGRESS, OLDEST

if TYPE_CHECKING:
    from tests.campaigns.pipelines.truth import Samples

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


@cache
def _series(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A family and its sorted labels. Each series is in every scrape of a story, and is taken apart once."""
    name, _, inside = text.partition("{")
    labels = (pair.split("=", 1) for pair in inside.removesuffix("}").split(","))
    return name, tuple(sorted((key, quoted.strip('"')) for key, quoted in labels))


def read(text: str) -> Samples:
    """The samples of CircleCI's families in a text of format 0.0.4."""
    found: Samples = {}
    for line in text.splitlines():
        if line.startswith("circleci_") and not line.startswith(("circleci_exporter", "circleci_insights")):
            series, _, value = line.rpartition(" ")
            found[_series(series)] = float(value)
    return found


def counters_of(samples: Samples) -> Samples:
    """The counters and histograms among them."""
    return {series: value for series, value in samples.items() if series[0].startswith(COUNTERS)}


def gauges_of(samples: Samples) -> Samples:
    """What is in progress and what is red, among them."""
    return {series: value for series, value in samples.items() if series[0] in (*IN_PROGRESS, *OLDEST, *RED)}


def shown(series: str) -> bool:
    """Whether a series, as it stands in a text, is one of the counters and histograms."""
    return series.startswith(COUNTERS)


def differences(shown: Samples, true: Samples) -> list[str]:
    """What is not the same, for a person to read."""
    return [
        f"{family}{dict(labels)}: shown {shown.get((family, labels))}, true {true.get((family, labels))}"
        for family, labels in sorted(shown.keys() | true.keys())
        if shown.get((family, labels), 0) != true.get((family, labels), 0)
    ]
