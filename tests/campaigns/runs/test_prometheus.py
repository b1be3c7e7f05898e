"""A real Prometheus scrapes the exporter while it is killed; what PromQL makes of the counters meets the truth."""

from __future__ import annotations

from bisect import bisect_left
from math import ceil
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.campaign import BOUNDS, Campaign, free_port
from tests.campaigns.runs.producer import NEW_BRANCH, SLUG
from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.campaigns.runs.counting import Branch, Counted
    from tests.running.prometheus import Answered

KILLS = 5
ALL = f'{{project="{SLUG}"}}[15m]'
QUANTILES = (0.5, 0.9, 0.95, 0.99)


def by_branch(found: list[Answered], *more: str) -> dict[tuple[str, ...], Answered]:
    return {tuple(one.labels[name] for name in ("workflow", "branch", *more)): one for one in found}


def wait_for(prometheus: Prometheus, query: str, true: Callable[[list[Answered]], object]) -> None:
    wait_until(lambda: true(prometheus.ask(query)), interval=0.2, why=query)


def let_a_branch_be_born(campaign: Campaign) -> None:
    """Its runs are there from the first moment on, and must be seen to rise all the same."""
    campaign.circle.add_runs(
        *({"slug": SLUG, "workflow": "build", "branch": NEW_BRANCH, "duration": 100} for _ in range(5))
    )

    def counted(found: dict[Branch, Counted]) -> bool:
        branch = found.get(("build", NEW_BRANCH))
        return branch is not None and branch.statuses["success"] == 5

    campaign.until(counted, "the new branch to be counted")


def hold_increase(campaign: Campaign, prometheus: Prometheus) -> None:
    """`increase` is the truth, but for what Prometheus adds from the last sample to the end of the range."""
    raw = by_branch(prometheus.ask(f"circleci_workflow_runs_total{ALL}"), "status")
    increases = by_branch(prometheus.ask(f"increase(circleci_workflow_runs_total{ALL})"), "status")
    resets = prometheus.ask(f"resets(circleci_workflow_runs_total{ALL}) > 0")
    assert resets == []
    truth = {
        (*branch, status): number
        for branch, counted in campaign.truth().items()
        for status, number in counted.statuses.items()
    }
    assert truth
    for series, number in truth.items():
        times = [at for at, _ in raw[series].values]
        assert raw[series].values[0][1] == 0, f"{series} was not seen at 0"
        assert raw[series].value == number
        sampled = times[-1] - times[0]
        beyond = 1.1 * sampled / (len(times) - 1)
        assert number * (1 - 1e-9) <= increases[series].value <= number * (1 + beyond / sampled)


def hold_quantiles(campaign: Campaign, prometheus: Prometheus) -> None:
    """`histogram_quantile` is within a bucket of the true quantile, for each workflow and branch."""
    durations: dict[Branch, list[int]] = campaign.durations()
    for quantile in QUANTILES:
        query = f"histogram_quantile({quantile}, increase(circleci_workflow_run_duration_seconds_bucket{ALL}))"
        found = by_branch(prometheus.ask(query))
        for branch, observed in durations.items():
            true = observed[max(0, ceil(quantile * len(observed)) - 1)]
            distance = bisect_left(BOUNDS, found[branch].value) - min(bisect_left(BOUNDS, true), len(BOUNDS) - 1)
            assert abs(distance) <= 1, (branch, quantile, true, found[branch].value)


def hold_promql(campaign: Campaign, prometheus: Prometheus) -> None:
    """Wait until Prometheus has seen the end, and compare."""
    total = sum(sum(counted.statuses.values()) for counted in campaign.truth().values())
    wait_for(prometheus, "sum(circleci_workflow_runs_total)", lambda found: found[0].value == total)
    hold_increase(campaign, prometheus)
    hold_quantiles(campaign, prometheus)


@pytest.mark.timeout(600)
def test_increase_and_quantiles_of_a_real_prometheus_are_those_of_the_truth(
    tmp_path: Path, prometheus_program: Path
) -> None:
    with (
        Campaign(tmp_path / "exporter", seed=4) as campaign,
        Prometheus(
            prometheus_program, tmp_path / "prometheus", target=campaign.address, port=free_port()
        ) as prometheus,
    ):
        wait_for(prometheus, "circleci_workflow_runs_total", lambda found: found)
        let_a_branch_be_born(campaign)
        producing = campaign.let_runs_happen(a_second=100)
        campaign.kill_often(KILLS, within=3.0)
        campaign.end([producing])
        hold_promql(campaign, prometheus)
        assert campaign.falls == []
