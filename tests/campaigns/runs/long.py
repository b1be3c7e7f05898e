"""The long form of the campaign, with a real Prometheus that scrapes through all of it: `make test-long`.

EXACTLY_ONCE_KILLS and EXACTLY_ONCE_SEED say how often the exporter is killed, and what chance decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.campaign import Campaign, free_port
from tests.campaigns.runs.counting import read_counters
from tests.campaigns.runs.test_prometheus import hold_promql, let_a_branch_be_born, wait_for
from tests.running.prometheus import Prometheus

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("EXACTLY_ONCE_KILLS", "60"))
SEED = int(os.environ.get("EXACTLY_ONCE_SEED", "1"))
HEAVY = (("oversize", {"mib": 40}), ("gzip_bomb", {"mib": 64}), ("oversize", {"mib": 40, "chunked": True}))


@pytest.mark.timeout(60 + 10 * KILLS)
def test_every_run_is_counted_once_through_many_kills_and_prometheus_agrees(
    tmp_path: Path, prometheus_program: Path
) -> None:
    with (
        Campaign(tmp_path / "exporter", seed=SEED, more_faults=HEAVY) as campaign,
        Prometheus(
            prometheus_program, tmp_path / "prometheus", target=campaign.address, port=free_port()
        ) as prometheus,
    ):
        wait_for(prometheus, "circleci_workflow_runs_total", lambda found: found)
        let_a_branch_be_born(campaign)
        producing = campaign.let_runs_happen(a_second=100)
        campaign.kill_often(KILLS, within=4.0)
        campaign.end([producing])
        print(f"kills {campaign.kills}, faults {campaign.faults}, runs {campaign.producer.made}, seed {SEED}")  # noqa: T201
        print(f"scrapes {campaign.scrapes}, requests {len(campaign.circle.requests())}")  # noqa: T201
        assert campaign.falls == []
        assert read_counters(campaign.exporter.scrape().text) == campaign.truth()
        hold_promql(campaign, prometheus)
        campaign.exporter.hold_secrets()
