"""A short form of the campaign; `test_long.py` has the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.campaign import RunCampaign

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 7
"""One at each kind of event, and one at a start."""


@pytest.mark.timeout(600)
def test_every_run_is_counted_once_while_the_exporter_is_killed_and_circleci_fails(tmp_path: Path) -> None:
    with RunCampaign(tmp_path, seed=20_261_124) as campaign:
        campaign.produce(every=0.1)
        campaign.kill_often(KILLS)
        campaign.end()
        assert campaign.died == {"Asked": 2, "Commits": 3, "Shows": 1}
        campaign.exporter.hold_secrets()
