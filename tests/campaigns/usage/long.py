"""The long campaigns of Usage exports: ten days of 4,000 job runs, 40 kills; and one export, seven take-overs."""

from __future__ import annotations

import threading
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from exporter.demo.messages import Reply, Wire, head, length
from tests.campaigns.usage.campaign import Campaign
from tests.campaigns.usage.takeovers import JOB_RUNS, Replicas
from tests.campaigns.usage.test_campaign import falls
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.postgres import Address

KILLS = 40
TAKEOVERS = 7
"""Each costs a look at the export, of which there are nine in an hour."""


@pytest.mark.timeout(1200)
def test_every_job_run_adds_once_over_ten_days(tmp_path: Path) -> None:
    with Campaign(tmp_path, seed=20_261_126, days=10, a_day=4000, speed=2_400) as campaign:
        campaign.run(kills=KILLS, timeout=1100)
        assert campaign.api.windows[0][0] == campaign.world.start
        assert campaign.shown[-1].items() >= campaign.world.truth().items()
        assert falls(campaign.shown) == []
        assert campaign.secrets_left() == []
        assert campaign.inside >= KILLS // 8


class Slow:
    """Sends a file for longer than any leader lives, from when the next one is there."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def send(self, wire: Wire, reply: Reply) -> bool:
        """Send in parts; what is written at once has been sent soon."""
        wire.send(head(reply, length(len(reply.body))))
        part = len(reply.body) // 20
        for place in range(0, len(reply.body), part):
            wire.send(reply.body[place : place + part])
            while not (self.goes_on.is_set() or wire.stop.is_set()):
                wire.stop.wait(0.05)
            if wire.stop.wait(0.6 if place > 11 * part else 0.0):
                return False
        return True


@pytest.mark.timeout(600)
def test_every_job_run_adds_once_whoever_reads_it(tmp_path: Path, database: Address) -> None:
    random, slow = Random(20_261_130), Slow()  # noqa: S311  no secret
    stored: list[int] = []
    with Replicas(tmp_path, database) as replicas:
        replicas.api.send = slow.send
        leader, standby = replicas.pair()
        while len(stored) < TAKEOVERS:
            wait_until(lambda: len(replicas.api.served) > len(stored), why="a reading")
            slow.goes_on.set()
            time.sleep(random.uniform(0.0, 5.5))
            slow.goes_on.clear()
            if random.random() < 0.7:
                leader.kill()
            else:
                assert leader.stop()[0] == 0
            stored.append(replicas.stored())
            leader, standby = standby, replicas.start()
        slow.goes_on.set()
        replicas.hold_truth(leader, 120)
        print(f"take-overs {TAKEOVERS}, job runs {JOB_RUNS}, of them in the database at each end {stored}")  # noqa: T201
        assert len(replicas.api.asked("POST")) == 1
        assert len({export for export, _ in replicas.api.served}) == 1
        assert any(0 < each < JOB_RUNS for each in stored)
        assert falls(replicas.shown) == []
