"""A real Prometheus scrapes all replicas as the shipped configuration says, and its counters meet the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.campaigns.promql import RANGE, hold_increases, longest_gap, wait_for
from tests.campaigns.replicas.campaign import ReplicaCampaign
from tests.campaigns.samples import of
from tests.running.ports import free_port
from tests.running.prometheus import Prometheus

if TYPE_CHECKING:
    from tests.running.postgres import Server

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SHIPPED = Path(__file__).parents[3] / "deploy/prometheus/replicas.yml"
RUNS = "circleci_workflow_runs_total"
SEED = 1


def prometheus_of(program: Path, campaign: ReplicaCampaign, interval: str) -> Prometheus:
    """A Prometheus whose configuration is the shipped one, with the replicas of a campaign as targets."""
    document = yaml.safe_load(SHIPPED.read_text())
    [job] = document["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{replica.port}" for replica in campaign.replicas]}]
    document["global"] = {"scrape_interval": interval, "scrape_timeout": interval}
    del document["rule_files"], document["alerting"]
    folder = campaign.folder / "prometheus"
    return Prometheus(program, folder, port=free_port(), configured=yaml.safe_dump(document))


def test_increases_are_exact_in_a_prometheus_that_scrapes_all_replicas(
    tmp_path: Path, postgres: Server, prometheus_program: Path
) -> None:
    with (
        ReplicaCampaign(tmp_path, SEED, postgres) as campaign,
        prometheus_of(prometheus_program, campaign, "500ms") as db,
    ):
        campaign.produce(every=0.25)
        wait_for(db, f"{RUNS}{RANGE}", len)
        campaign.kill_it()
        campaign.hand_over()
        campaign.end()
        hold_increases(db, RUNS, campaign.truth(), campaign.held)
        assert not any("instance" in each.labels for each in db.ask(f"{RUNS}{RANGE}"))


def test_with_the_default_lease_no_counter_is_reset_by_a_kill(
    tmp_path: Path, postgres: Server, prometheus_program: Path
) -> None:
    campaign = ReplicaCampaign(tmp_path, SEED, postgres, lease=30.0, interval=5)  # so that each is scraped at 0
    with campaign, prometheus_of(prometheus_program, campaign, "2s") as db:
        campaign.produce(every=0.2)
        wait_for(db, f"{RUNS}{RANGE}", lambda found: len(found) > 1)
        campaign.kill_it()
        campaign.hand_over()
        campaign.end()
        wait_for(
            db, f"sum({RUNS})", lambda found: found and found[0].value == sum(of(campaign.truth(), (RUNS,)).values())
        )
        assert db.ask(f"resets({RUNS}{RANGE}) > 0") == []
        print(f"longest gap in Prometheus {longest_gap(db.ask(f'{RUNS}{RANGE}')):.1f} s, after a kill")  # noqa: T201
