"""A real Prometheus scrapes all replicas as the shipped configuration says, and its counters meet the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.running.ports import free_port
from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from tests.campaigns.replicas.campaign import ReplicaCampaign
    from tests.running.prometheus import Answered

SHIPPED = Path(__file__).parents[3] / "deploy/prometheus/replicas.yml"
RUNS = "circleci_workflow_runs_total[15m]"


def prometheus_of(program: Path, campaign: ReplicaCampaign, interval: str) -> Prometheus:
    """A Prometheus whose configuration is the shipped one, with the replicas of a campaign as targets."""
    document = yaml.safe_load(SHIPPED.read_text())
    [job] = document["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{replica.port}" for replica in campaign.replicas]}]
    document["global"] = {"scrape_interval": interval, "scrape_timeout": interval}
    del document["rule_files"], document["alerting"]
    folder = campaign.folder / "prometheus"
    return Prometheus(program, folder, port=free_port(), configured=yaml.safe_dump(document))


def gap(prometheus: Prometheus) -> float:
    """The longest time in seconds for which a counter had no sample."""
    return max(
        later[0] - earlier[0]
        for each in prometheus.ask(RUNS)
        for earlier, later in zip(each.values, each.values[1:], strict=False)
    )


def hold_increases(campaign: ReplicaCampaign, prometheus: Prometheus) -> None:
    """Each series is one, was seen at 0, and rose by exactly what happened."""
    truth = {
        labels: value
        for (family, labels), value in campaign.counts(campaign.facts()).items()
        if family == "circleci_workflow_runs_total"
    }

    def seen() -> bool:
        raw = by_labels(prometheus.ask(RUNS))
        return {labels: each.value for labels, each in raw.items() if each.value} == truth

    wait_until(seen, interval=0.2, why="the newest values in Prometheus")
    assert prometheus.ask(f"resets({RUNS}) > 0") == []
    increases = by_labels(prometheus.ask(f"increase({RUNS})"))
    for labels, each in by_labels(prometheus.ask(RUNS)).items():
        assert "instance" not in dict(labels)
        assert each.values[0][1] == 0, f"{labels} was not seen at 0"
        times = [at for at, _ in each.values]
        sampled = times[-1] - times[0]
        beyond = 1.1 * sampled / (len(times) - 1)
        number = truth.get(labels, 0.0)
        assert number * (1 - 1e-9) <= increases[labels].value <= number * (1 + beyond / sampled)


def by_labels(found: list[Answered]) -> dict[tuple[tuple[str, str], ...], Answered]:
    """Series by their labels, without the job's and the metric's name."""
    named = [
        (tuple(sorted((k, v) for k, v in each.labels.items() if k not in {"__name__", "job"})), each) for each in found
    ]
    assert len(named) == len({labels for labels, _ in named}), "a series came twice"
    return dict(named)
