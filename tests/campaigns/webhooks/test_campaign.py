"""The campaign of webhooks: `make test-long`. How soon a run is shown that was told of, `benchmarks/now.py` measures.

HINTED_RUNS, HINTED_KILLS and HINTED_SEED say how many runs are told of while nothing fails, how often the exporter is
killed afterwards, and what chance decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.webhooks.campaign import SECRET, HintedCampaign
from tests.circleci.webhooks import workflow_completed

if TYPE_CHECKING:
    from pathlib import Path

RUNS = int(os.environ.get("HINTED_RUNS", "500"))
KILLS = int(os.environ.get("HINTED_KILLS", "60"))
SEED = int(os.environ.get("HINTED_SEED", "1"))


@pytest.mark.long
@pytest.mark.timeout(600 + RUNS + 15 * KILLS)
def test_runs_that_only_webhooks_tell_of_are_counted_once_in_three_calls_and_through_many_kills(
    tmp_path: Path,
) -> None:
    with HintedCampaign(tmp_path, seed=SEED) as campaign:
        for _ in range(RUNS):
            slug, workflow, pipeline = campaign.any_run()
            for _ in range(campaign.random.choice((1, 1, 3))):
                campaign.tell(workflow_completed(workflow, slug, pipeline))
        campaign.settle()
        calls = campaign.calls()
        assert (len(calls), max(calls.values())) == (RUNS, 3)
        campaign.produce(every=0.05)
        campaign.kill_often(KILLS)
        campaign.end()
        print(f"{campaign.summary()}, requests {dict(campaign.sent)}, not taken at first {campaign.refused}")  # noqa: T201
        campaign.exporter.secrets.append(SECRET)
        campaign.exporter.hold_secrets()
