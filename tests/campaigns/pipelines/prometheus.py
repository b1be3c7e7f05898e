"""A real Prometheus scrapes the exporter while it is killed; its increases and exemplars meet the truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines.campaign import PipelineCampaign
from tests.campaigns.pipelines.truth import has_ended, stop_of
from tests.campaigns.runs.campaign import free_port
from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.pipelines.truth import Samples

KILLS = 2
COUNTERS = ("circleci_workflow_runs_total", "circleci_job_runs_total", "circleci_pipelines_total")
OF_PROMETHEUS = {"__name__", "instance", "job"}


def hold_increases(truth: Samples, prometheus: Prometheus, family: str) -> None:
    """Each series was seen at 0 first, and has risen to the truth; `increase` adds no more than a scrape's part."""
    raw = {
        tuple(sorted((name, text) for name, text in one.labels.items() if name not in OF_PROMETHEUS)): one
        for one in prometheus.ask(f"{family}[15m]")
    }
    increases = {
        tuple(sorted((name, text) for name, text in one.labels.items() if name not in OF_PROMETHEUS)): one.value
        for one in prometheus.ask(f"increase({family}[15m])")
    }
    assert prometheus.ask(f"resets({family}[15m]) > 0") == []
    expected = {labels: number for (name, labels), number in truth.items() if name == family}
    assert expected
    for labels, number in expected.items():
        samples = raw[labels].values
        assert samples[0][1] == 0, f"{family}{dict(labels)} was not seen at 0"
        assert samples[-1][1] == number
        sampled = samples[-1][0] - samples[0][0]
        beyond = 1.1 * sampled / (len(samples) - 1)
        assert number * (1 - 1e-9) <= increases[labels] <= number * (1 + beyond / sampled)


def hold_exemplars(campaign: PipelineCampaign, prometheus: Prometheus, since: float) -> None:
    """Prometheus keeps exemplars, and each is a run that was: its duration, and its stop."""
    runs = {
        run["id"]: (stop_of(run) - run["created"], stop_of(run))
        for each in campaign.facts()
        for run in each["workflows"]
        if has_ended(run)
    }
    jobs = {
        (run["id"], job["stopped"] - job["started"], job["stopped"])
        for each in campaign.facts()
        for run in each["workflows"]
        for job in run["jobs"]
        if job["started"] is not None and job["stopped"] is not None
    }
    until = time.time() + campaign.skew + 60
    family = "circleci_workflow_run_duration_seconds_bucket"
    found = wait_until(lambda: prometheus.exemplars(family, since, until), interval=0.5, why="exemplars of runs")
    kept = [exemplar for series in found or [] for exemplar in series["exemplars"]]
    for exemplar in kept:
        duration, stopped = runs[exemplar["labels"]["workflow_id"]]
        assert (float(exemplar["value"]), exemplar["timestamp"]) == (duration, pytest.approx(stopped))
    found = prometheus.exemplars("circleci_job_run_duration_seconds_bucket", since, until)
    of_jobs = [exemplar for series in found for exemplar in series["exemplars"]]
    assert of_jobs
    for exemplar in of_jobs:
        assert (exemplar["labels"]["workflow_id"], float(exemplar["value"]), exemplar["timestamp"]) in jobs


@pytest.mark.timeout(600)
def test_increases_and_exemplars_of_a_real_prometheus_are_those_of_the_truth(
    tmp_path: Path, prometheus_3: Path
) -> None:
    campaign = PipelineCampaign(tmp_path / "exporter", seed=5, skew=0.0)
    campaign.interval = "3s"
    since = time.time() - 3600
    with (
        campaign,
        Prometheus(
            prometheus_3,
            tmp_path / "prometheus",
            "--enable-feature=exemplar-storage",
            target=campaign.address,
            port=free_port(),
        ) as prometheus,
    ):
        producing = campaign.produce(a_second=3)
        campaign.kill_often(KILLS, within=4.0)
        campaign.end([producing])
        truth = campaign.counts(campaign.facts())
        total = sum(number for (name, _), number in truth.items() if name == COUNTERS[1])
        wait_until(
            lambda: [each.value for each in prometheus.ask(f"sum({COUNTERS[1]})")] == [total],
            interval=0.5,
            why="the last scrape",
        )
        for family in COUNTERS:
            hold_increases(truth, prometheus, family)
        hold_exemplars(campaign, prometheus, since)
        assert campaign.falls == []
