"""A short form of the campaign; the long one is `make test-long`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.campaign import Campaign
from tests.campaigns.runs.counting import read_counters
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5


@pytest.mark.timeout(600)
def test_every_run_is_counted_once_while_the_exporter_is_killed_and_circleci_fails(tmp_path: Path) -> None:
    with Campaign(tmp_path, seed=20_261_124) as campaign:
        producing = campaign.let_runs_happen(a_second=100)
        campaign.kill_often(KILLS, within=1.5)
        wait_until(lambda: campaign.producer.made >= 1000, why="a thousand runs")
        campaign.end([producing])
        assert campaign.falls == []
        assert read_counters(campaign.exporter.scrape().text) == campaign.truth()
        campaign.exporter.hold_secrets()
