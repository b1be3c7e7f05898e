"""A real Prometheus scrapes the exporter while it is killed; what PromQL makes of the counters meets the truth.

In the long form, EXACTLY_ONCE_KILLS and EXACTLY_ONCE_SEED say how often it is killed, and what chance decides.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from math import ceil
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.promql import RANGE, by_labels, hold_increases, wait_for
from tests.campaigns.runs.campaign import RunCampaign
from tests.campaigns.runs.producer import NEW_BRANCH, SLUG
from tests.campaigns.runs.truth import BOUNDS
from tests.campaigns.samples import labels
from tests.running.ports import free_port
from tests.running.prometheus import Prometheus

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5
MANY_KILLS = int(os.environ.get("EXACTLY_ONCE_KILLS", "60"))
SEED = int(os.environ.get("EXACTLY_ONCE_SEED", "1"))
HEAVY = (("oversize", {"mib": 40}), ("gzip_bomb", {"mib": 64}), ("oversize", {"mib": 40, "chunked": True}))
TOTAL = "circleci_workflow_runs_total"
QUANTILES = (0.5, 0.9, 0.95, 0.99)


def let_a_branch_be_born(campaign: RunCampaign) -> None:
    """Its runs are there from the first moment on, and must be seen to rise all the same."""
    campaign.circle.add_runs(
        *({"slug": SLUG, "workflow": "build", "branch": NEW_BRANCH, "duration": 100} for _ in range(5))
    )
    of = labels(project=SLUG, workflow="build", branch=NEW_BRANCH, status="success")
    campaign.until(lambda shown: shown.get((TOTAL, of)) == 5, "the new branch to be counted")


def hold_quantiles(campaign: RunCampaign, prometheus: Prometheus) -> None:
    """`histogram_quantile` is within a bucket of the true quantile, for each workflow and branch."""
    for quantile in QUANTILES:
        query = f"histogram_quantile({quantile}, increase(circleci_workflow_run_duration_seconds_bucket{RANGE}))"
        found = by_labels(prometheus.ask(query), "instance")
        for of, observed in campaign.durations().items():
            true = observed[max(0, ceil(quantile * len(observed)) - 1)]
            distance = bisect_left(BOUNDS, found[of].value) - min(bisect_left(BOUNDS, true), len(BOUNDS) - 1)
            assert abs(distance) <= 1, (of, quantile, true, found[of].value)


def live_through(campaign: RunCampaign, program: Path, kills: int) -> None:
    """Kill it so often, and compare."""
    folder = campaign.folder.parent / "prometheus"
    with campaign, Prometheus(program, folder, target=campaign.address, port=free_port()) as prometheus:
        wait_for(prometheus, TOTAL, lambda found: found)
        let_a_branch_be_born(campaign)
        campaign.produce(every=0.1)
        campaign.kill_often(kills)
        campaign.end()
        hold_increases(prometheus, TOTAL, campaign.truth(), campaign.held, "instance")
        hold_quantiles(campaign, prometheus)
        campaign.exporter.hold_secrets()


@pytest.mark.timeout(600)
def test_increase_and_quantiles_of_a_real_prometheus_are_those_of_the_truth(
    tmp_path: Path, prometheus_program: Path
) -> None:
    live_through(RunCampaign(tmp_path / "exporter", seed=4), prometheus_program, KILLS)


@pytest.mark.long
@pytest.mark.timeout(300 + 20 * MANY_KILLS)
def test_every_run_is_counted_once_through_many_kills_and_prometheus_agrees(
    tmp_path: Path, prometheus_program: Path
) -> None:
    campaign = RunCampaign(tmp_path / "exporter", seed=SEED, more_faults=HEAVY)
    live_through(campaign, prometheus_program, MANY_KILLS)
    print(campaign.summary())  # noqa: T201  what was measured
