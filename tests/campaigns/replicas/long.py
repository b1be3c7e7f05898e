"""The campaign of three replicas on one database: `make test-long`.

REPLICAS_ROUNDS and REPLICAS_SEED say how often every kind of trouble comes, and what chance decides; REPLICAS_RATE how
many pipelines begin each second.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.replicas.campaign import ReplicaCampaign
from tests.campaigns.replicas.shipped import RUNS, gap, hold_increases, prometheus_of
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running.postgres import Server

ROUNDS = int(os.environ.get("REPLICAS_ROUNDS", "3"))
SEED = int(os.environ.get("REPLICAS_SEED", "1"))
RATE = float(os.environ.get("REPLICAS_RATE", "6"))
AWAY = 60.0
"""Seconds for which a leader is stopped, and the database is down."""


@pytest.mark.timeout(900 + 400 * ROUNDS)
def test_everything_is_counted_once_through_every_kind_of_trouble(tmp_path: Path, postgres: Server) -> None:
    began = time.monotonic()
    campaign = ReplicaCampaign(tmp_path, SEED, postgres)
    campaign.seen_within = 900.0
    with campaign:
        producing = campaign.produce(a_second=RATE)
        for number in range(ROUNDS):
            away = AWAY if number == 0 else campaign.random.uniform(2.0, 12.0)
            troubles: list[Callable[[], object]] = [
                campaign.kill_it,
                campaign.hand_over,
                campaign.take_by_hand,
                campaign.force_two,
                campaign.tell_two,
                campaign.let_it_fail,
                partial(campaign.cut_commit, reaches=True),
                partial(campaign.cut_commit, reaches=False),
                partial(campaign.freeze, away),
                partial(campaign.part, campaign.random.uniform(3.0, 6.0)),
                partial(campaign.lose_database, 1.0),
                partial(campaign.lose_database, away),
            ]
            campaign.random.shuffle(troubles)
            for trouble in troubles:
                trouble()
                campaign.watch(campaign.random.uniform(0.1, 2.0))
        campaign.end([producing])
        print(f"{campaign.summary()}, {time.monotonic() - began:.0f} s")  # noqa: T201  what was measured
        assert campaign.falls == []
        assert campaign.doubles == []
        for replica in campaign.replicas:
            replica.exporter.hold_secrets()


@pytest.mark.timeout(600)
def test_increases_are_exact_in_a_prometheus_that_scrapes_all_replicas(
    tmp_path: Path, postgres: Server, prometheus_program: Path
) -> None:
    with (
        ReplicaCampaign(tmp_path, SEED, postgres) as campaign,
        prometheus_of(prometheus_program, campaign, "500ms") as db,
    ):
        producing = campaign.produce(a_second=4)
        campaign.watch(3.0)
        campaign.kill_it()
        campaign.watch(2.0)
        assert campaign.hand_over() < 5
        campaign.end([producing])
        hold_increases(campaign, db)
        assert campaign.falls == []
        assert campaign.doubles == []


@pytest.mark.timeout(600)
def test_with_the_default_lease_series_are_back_within_45_seconds_of_a_kill(
    tmp_path: Path, postgres: Server, prometheus_program: Path
) -> None:
    campaign = ReplicaCampaign(tmp_path, SEED, postgres)
    campaign.lease, campaign.interval = 30.0, "5s"  # so that each series is scraped at 0
    campaign.seen_within = 900.0
    with campaign, prometheus_of(prometheus_program, campaign, "2s") as prometheus:
        producing = campaign.produce(a_second=RATE)
        wait_until(lambda: len(prometheus.ask(RUNS)) > 1, interval=1.0, why="counters in Prometheus")
        campaign.watch(5.0)
        campaign.kill_it()
        campaign.watch(5.0)
        stopped = campaign.hand_over()
        campaign.end([producing])
        assert prometheus.ask(f"resets({RUNS}) > 0") == []
        killed = gap(prometheus)
        print(f"longest gap in Prometheus {killed:.1f} s after a kill, {stopped:.1f} s until a successor of a stop")  # noqa: T201
        assert 15 < killed < 45  # the lease had to end
        assert stopped < 5
        assert campaign.falls == []
        assert campaign.doubles == []
