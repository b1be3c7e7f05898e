"""The campaign of pipelines, short and long.

In the long form, EXACTLY_ONCE_KILLS and EXACTLY_ONCE_SEED say how often the exporter is killed, and what chance
decides; EXACTLY_ONCE_RATE how many pipelines begin each second.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines.campaign import PipelineCampaign
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("EXACTLY_ONCE_KILLS", "60"))
SEED = int(os.environ.get("EXACTLY_ONCE_SEED", "1"))
RATE = float(os.environ.get("EXACTLY_ONCE_RATE", "6"))


@pytest.mark.timeout(600)
def test_everything_is_counted_once_while_the_exporter_is_killed_and_circleci_fails(tmp_path: Path) -> None:
    with PipelineCampaign(tmp_path, seed=20_261_125) as campaign:
        campaign.produce(every=0.2)
        campaign.kill_often(7)
        wait_until(lambda: campaign.pipelines.made >= 50, why="pipelines")
        campaign.end()
        assert campaign.died == {"Asked": 2, "Commits": 3, "Shows": 1}
        campaign.exporter.hold_secrets()


@pytest.mark.long
@pytest.mark.timeout(1800 + 20 * KILLS)
def test_everything_is_counted_once_through_many_kills(tmp_path: Path) -> None:
    campaign = PipelineCampaign(tmp_path, seed=SEED)
    campaign.patience = 300.0  # sweeps of Insights that bring nothing become seldom
    with campaign:
        campaign.produce(every=1 / RATE)
        campaign.kill_often(KILLS)
        campaign.end()
        runs = [run for each in campaign.facts() for run in each["workflows"]]
        jobs = sum(len(run["jobs"]) for run in runs)
        print(f"{campaign.summary()}, runs {len(runs)}, jobs {jobs}")  # noqa: T201  what was measured
        campaign.exporter.hold_secrets()
