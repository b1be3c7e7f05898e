"""The long campaign of Usage exports: ten days of 4,000 job runs, 40 kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.usage.campaign import Campaign
from tests.usage.test_campaign import falls

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 40


@pytest.mark.timeout(1200)
def test_every_job_run_adds_once_over_ten_days(tmp_path: Path) -> None:
    with Campaign(tmp_path, seed=20_261_126, days=10, a_day=4000, speed=4_800) as campaign:
        campaign.run(kills=KILLS, timeout=1100)
        assert campaign.api.windows[0][0] == campaign.world.start
        assert campaign.shown[-1].items() >= campaign.world.truth().items()
        assert falls(campaign.shown) == []
        assert campaign.secrets_left() == []
        assert campaign.inside >= KILLS // 8
