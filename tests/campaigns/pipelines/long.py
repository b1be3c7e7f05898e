"""The long form of the campaign of pipelines: `make test-long`.

EXACTLY_ONCE_KILLS and EXACTLY_ONCE_SEED say how often the exporter is killed, and what chance decides;
EXACTLY_ONCE_RATE how many pipelines begin each second.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines.campaign import PipelineCampaign

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("EXACTLY_ONCE_KILLS", "60"))
SEED = int(os.environ.get("EXACTLY_ONCE_SEED", "1"))
RATE = float(os.environ.get("EXACTLY_ONCE_RATE", "6"))


@pytest.mark.timeout(1800 + 20 * KILLS)
def test_everything_is_counted_once_through_many_kills(tmp_path: Path) -> None:
    began = time.monotonic()
    campaign = PipelineCampaign(tmp_path, seed=SEED)
    campaign.seen_within = 300.0
    with campaign:
        producing = campaign.produce(a_second=RATE)
        campaign.kill_often(KILLS, within=6.0)
        campaign.end([producing])
        facts = campaign.facts()
        runs = [run for each in facts for run in each["workflows"]]
        jobs = sum(len(run["jobs"]) for run in runs)
        print(  # noqa: T201  what was measured
            f"kills {campaign.kills}, faults {campaign.faults}, pipelines {len(facts)}, runs {len(runs)}, jobs {jobs}, "
            f"scrapes {campaign.scrapes}, requests {len(campaign.circle.requests())}, seed {SEED}, "
            f"{time.monotonic() - began:.0f} s"
        )
        assert campaign.falls == []
        campaign.exporter.hold_secrets()
