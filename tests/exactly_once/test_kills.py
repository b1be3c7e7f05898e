"""A short form of the campaign; the long one is `make soak`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.counting import read_counters
from tests.exactly_once.campaign import Campaign

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 32.0


@pytest.mark.timeout(180)
def test_every_run_is_counted_once_while_the_exporter_is_killed_and_circleci_fails(tmp_path: Path) -> None:
    with Campaign(tmp_path, seed=20_261_124) as campaign:
        producing = campaign.let_runs_happen(a_second=100)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            campaign.let_it_fail()
            campaign.watch(campaign.random.uniform(0.1, 1.5))
            campaign.kill_it()
        campaign.end([producing])
        assert campaign.falls == []
        assert campaign.kills >= 10
        assert campaign.producer.made >= 1000
        assert read_counters(campaign.exporter.scrape().text) == campaign.truth()
        campaign.exporter.hold_secrets()
