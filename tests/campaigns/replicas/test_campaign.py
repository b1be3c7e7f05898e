"""A short campaign of three replicas: what is most likely to count something twice, once each; see `make test-long`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.replicas.campaign import ReplicaCampaign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.postgres import Server


@pytest.mark.timeout(600)
def test_everything_is_counted_once_whoever_leads(tmp_path: Path, postgres: Server) -> None:
    with ReplicaCampaign(tmp_path, 20_261_125, postgres) as campaign:
        producing = campaign.produce(a_second=4)
        campaign.watch(1.0)
        campaign.cut_commit(reaches=True)
        campaign.freeze(4.0)
        campaign.tell_two()
        campaign.end([producing])
        assert campaign.falls == []
        assert campaign.doubles == []
        assert campaign.told == {200: 2}
        assert sum(replica.wire.cuts for replica in campaign.replicas) == 1
        assert campaign.pipelines.made >= 40
