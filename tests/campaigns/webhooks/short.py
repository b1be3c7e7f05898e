"""A short form of the campaign of webhooks: `make test-long` runs it before the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.webhooks.campaign import Hinted, delays, quantile

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 6


@pytest.mark.timeout(600)
def test_runs_that_only_webhooks_tell_of_are_counted_once_soon_and_in_three_calls_whatever_is_killed_or_fails(
    tmp_path: Path,
) -> None:
    with Hinted(tmp_path, seed=20_261_125) as campaign:
        campaign.calls()
        found = delays(campaign, a_second=10, seconds=10)
        assert quantile(found, 0.9) <= 2  # the long form holds the 99th percentile, on a machine of its own
        calls = campaign.calls()
        assert (len(calls), max(calls.values())) == (100, 3)
        for _ in range(KILLS):
            campaign.let_it_fail()
            for _ in range(campaign.random.randrange(1, 12)):
                campaign.storm(*campaign.any_run())
            campaign.kill_it()
        campaign.end()
        assert campaign.kills == KILLS
