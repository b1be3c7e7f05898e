"""The long form of the campaign of webhooks: `make test-long`.

HINTED_SECONDS, HINTED_KILLS and HINTED_SEED say for how long events come at 10 a second, how often the exporter is
killed, and what chance decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.webhooks.campaign import Hinted, delays, quantile

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = int(os.environ.get("HINTED_SECONDS", "300"))
KILLS = int(os.environ.get("HINTED_KILLS", "60"))
SEED = int(os.environ.get("HINTED_SEED", "1"))


@pytest.mark.timeout(300 + 2 * SECONDS + 15 * KILLS)
def test_runs_that_only_webhooks_tell_of_are_counted_within_two_seconds_and_once_through_many_kills(
    tmp_path: Path,
) -> None:
    with Hinted(tmp_path, seed=SEED) as campaign:
        campaign.calls()
        found = delays(campaign, a_second=10, seconds=SECONDS)
        spread = ", ".join(f"{name} {quantile(found, share):.2f} s" for name, share in (("p50", 0.5), ("p99", 0.99)))
        calls = campaign.calls()
        print(f"{len(found)} events at 10 a second: {spread}, longest {found[-1]:.2f} s")  # noqa: T201
        print(f"calls for one run: at most {max(calls.values())}, on average {calls.total() / len(calls):.2f}")  # noqa: T201
        assert max(calls.values()) <= 3
        for _ in range(KILLS):
            campaign.let_it_fail()
            for _ in range(campaign.random.randrange(1, 20)):
                campaign.storm(*campaign.any_run())
            campaign.kill_it()
        campaign.end()
        print(f"kills {campaign.kills}, requests {dict(campaign.sent)}, not taken at first {campaign.refused}")  # noqa: T201
        assert quantile(found, 0.99) <= 2
