"""What a real Prometheus makes of replicas that hand over and die; the long lease is in soak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.replicas.campaign import ReplicaCampaign
from tests.replicas.shipped import gap, hold_increases, prometheus_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Server


@pytest.mark.timeout(240)
def test_increases_are_exact_in_a_prometheus_that_scrapes_all_replicas(
    tmp_path: Path, postgres: Server, prometheus_program: Path
) -> None:
    with ReplicaCampaign(tmp_path, 7, postgres) as campaign, prometheus_of(prometheus_program, campaign, "500ms") as db:
        producing = campaign.produce(a_second=4)
        campaign.watch(3.0)
        campaign.kill_it()
        campaign.watch(2.0)
        assert campaign.hand_over() < 5
        campaign.end([producing])
        hold_increases(campaign, db)
        assert gap(db) < 15
        assert campaign.falls == []
        assert campaign.doubles == []
