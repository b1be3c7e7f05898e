"""A campaign of three replicas: what is most likely to count something twice, once each, and in the long form often.

In the long form, REPLICAS_ROUNDS and REPLICAS_SEED say how often every kind of trouble comes, and what chance decides;
REPLICAS_RATE how many pipelines begin each second.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.replicas.campaign import ReplicaCampaign
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running.postgres import Server

ROUNDS = int(os.environ.get("REPLICAS_ROUNDS", "3"))
SEED = int(os.environ.get("REPLICAS_SEED", "1"))
RATE = float(os.environ.get("REPLICAS_RATE", "6"))


@pytest.mark.timeout(600)
def test_everything_is_counted_once_whoever_leads(tmp_path: Path, postgres: Server) -> None:
    with ReplicaCampaign(tmp_path, 20_261_125, postgres) as campaign:
        campaign.produce(every=0.2)
        campaign.cut_commit(reaches=True)
        while not campaign.woken:
            campaign.freeze()
        campaign.tell_two()
        wait_until(lambda: campaign.pipelines.made >= 70, why="pipelines")
        campaign.end()
        assert campaign.told[200] == 2
        assert campaign.cuts() == 1


@pytest.mark.long
@pytest.mark.timeout(900 + 400 * ROUNDS)
def test_everything_is_counted_once_through_every_kind_of_trouble(tmp_path: Path, postgres: Server) -> None:
    campaign = ReplicaCampaign(tmp_path, SEED, postgres)
    campaign.patience = 900.0
    with campaign:
        campaign.produce(every=1 / RATE)
        for _ in range(ROUNDS):
            troubles: list[Callable[[], object]] = [
                campaign.kill_it,
                campaign.hand_over,
                campaign.take_by_hand,
                campaign.force_two,
                campaign.tell_two,
                campaign.let_it_fail,
                campaign.freeze,
                campaign.part,
                partial(campaign.cut_commit, reaches=True),
                partial(campaign.cut_commit, reaches=False),
                partial(campaign.lose_database, long=False),
                partial(campaign.lose_database, long=True),
            ]
            campaign.random.shuffle(troubles)
            for trouble in troubles:
                trouble()
                campaign.look()
        campaign.end()
        print(campaign.summary())  # noqa: T201  what was measured
        assert campaign.woken
