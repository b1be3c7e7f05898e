"""A real Prometheus scrapes the exporter while it is killed; its increases and exemplars meet the truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines.campaign import PipelineCampaign
from tests.campaigns.pipelines.truth import has_ended, stop_of
from tests.campaigns.promql import hold_increases
from tests.running.ports import free_port
from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


KILLS = 6
COUNTERS = ("circleci_workflow_runs_total", "circleci_job_runs_total", "circleci_pipelines_total")


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
    until = time.time() + 3600
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


@pytest.mark.long
@pytest.mark.timeout(600)
def test_increases_and_exemplars_of_a_real_prometheus_are_those_of_the_truth(
    tmp_path: Path, prometheus_3: Path
) -> None:
    since = time.time() - 3600
    with (
        PipelineCampaign(tmp_path / "exporter", seed=5, skew=0.0, interval=3) as campaign,
        Prometheus(
            prometheus_3,
            tmp_path / "prometheus",
            "--enable-feature=exemplar-storage",
            target=campaign.address,
            port=free_port(),
        ) as prometheus,
    ):
        campaign.produce(every=0.3)
        campaign.kill_often(KILLS)
        campaign.end()
        for family in COUNTERS:
            hold_increases(prometheus, family, campaign.truth(), campaign.held, "instance")
        hold_exemplars(campaign, prometheus, since)
