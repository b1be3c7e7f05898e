"""A short form of the campaign of pipelines, with kills: `make test-long` runs it before the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines.campaign import PipelineCampaign

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5


@pytest.mark.timeout(600)
def test_everything_is_counted_once_while_the_exporter_is_killed_and_circleci_fails(tmp_path: Path) -> None:
    with PipelineCampaign(tmp_path, seed=20_261_125) as campaign:
        producing = campaign.produce(a_second=5)
        campaign.kill_often(KILLS, within=2.0)
        campaign.end([producing])
        assert campaign.falls == []
        assert campaign.pipelines.made >= 50
        campaign.exporter.hold_secrets()
