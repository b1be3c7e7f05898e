"""A past on the first day: files, promtool, a real Prometheus and a live scrape, and what PromQL makes of them."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from exporter.demo.organization import ALL_BRANCHES
from exporter.history import retention
from tests.campaigns.effort import effort
from tests.campaigns.runs.counting import read_counters, true_counters
from tests.campaigns.runs.truth import BOUNDS
from tests.circleci import Circle
from tests.history.past import rises
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.prometheus import Prometheus
from tests.running.scrapes import series
from tests.running.starting import command
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.campaigns.runs.counting import Branch, Counted

DAY = 86_400
SLUGS = [f"gh/acme/project-{number}" for number in range(4)]
WORKFLOWS = [f"workflow {number}" for number in range(10)]
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000}}
state: {{path: state.db}}
defaults: {{collectors: [runs], branches: [develop], runs: {{interval: 10s, sweep: 10s}}}}
projects: [{slugs}]
"""


def happen(circle: Circle, random: Random, slug: str, workflow: str, stopped: float, **more: Any) -> None:
    duration = random.choice([5, 29, 30, 31, 60, 400, 3000])
    branch, status = (
        random.choice(["main", "develop", "x", "y"]),
        random.choice(["success", "success", "failed", "error"]),
    )
    circle.organization.add_run(
        slug,
        workflow,
        branch,
        status,
        created=stopped - duration,
        stopped=stopped,
        duration=duration,
        credits=random.randint(0, 90),
        **more,
    )


def truth(circle: Circle, slug: str) -> dict[Branch, Counted]:
    names = ("slug", "workflow", "branch", "status", "runs", "credits", "durations")
    tallies = [{name: getattr(tally, name) for name in names} for tally in circle.organization.truth()]
    return true_counters(tallies, BOUNDS, ("main", "develop"), slug)


def hold_rises(prometheus: Prometheus, circle: Circle) -> int:
    """Each series rises by the truth, from 0, without a fall; returns how many series rose."""
    found = prometheus.ask('{__name__=~"circleci_workflow_run(s|_duration_seconds|_credits)_.+"}[95d]')
    for slug in SLUGS:
        mine = [each for each in found if each.labels["project"] == slug]
        assert [each.labels for each in mine if each.values[0][1] != 0] == []
        assert all(list(each.values) == sorted(each.values, key=lambda at: at[1]) for each in mine)
        lines = []
        for each in mine:
            labels = {name: value for name, value in each.labels.items() if name not in {"__name__", "job", "instance"}}
            lines.append(f"{series(each.labels['__name__'], labels)} {rises([(int(at), v) for at, v in each.values])}")
        assert read_counters("\n".join(lines), slug) == truth(circle, slug)
    return sum(each.values[-1][1] > 0 for each in found)


@contextmanager
def once_scraped(prometheus: Prometheus) -> Iterator[None]:
    """Begin when it scrapes, though nobody answers yet: what is born then is seen at 0."""
    wait_until(lambda: prometheus.ask("up == 0"), interval=0.2, why="the first scrape")
    yield


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["prometheus_program", "prometheus_3"][: effort(1, 2)])
def test_the_rises_of_past_and_present_are_those_of_the_truth_the_seam_inside(
    tmp_path: Path, program: str, promtool: Path, request: pytest.FixtureRequest
) -> None:
    prometheus_program: Path = request.getfixturevalue(program)
    random = Random(3)  # noqa: S311  nothing secret hangs on it
    port = free_port()
    labels = ("--label", "job=exporter", "--label", f"instance=127.0.0.1:{port}")
    with Circle(quiet=True, refresh=1) as circle:
        for slug in SLUGS:
            circle.organization.roster.add(slug)
            for workflow in WORKFLOWS:
                for _ in range(25):
                    happen(circle, random, slug, workflow, time.time() - random.uniform(3, 89 * DAY))
        configuration = CONFIGURATION.format(url=circle.url, slugs=", ".join(SLUGS))
        (tmp_path / "config.yaml").write_text(configuration)
        done = command("backfill", "--output", "past", "--step", "6h", *labels, folder=tmp_path, token=circle.token)
        assert done.returncode == 0, done.stderr
        for file in sorted((tmp_path / "past").glob("*.om")):
            create = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h"]
            blocks = str(tmp_path / "past" / "blocks")
            subprocess.run([*create, str(file), blocks], check=True, capture_output=True, timeout=60)
        (tmp_path / "prometheus").mkdir()
        shutil.move(tmp_path / "past" / "blocks", tmp_path / "prometheus" / "data")
        for slug in SLUGS:  # between the two commands
            happen(circle, random, slug, WORKFLOWS[0], time.time())
            happen(circle, random, slug, "a new one", time.time())
        with (
            Prometheus(
                prometheus_program,
                tmp_path / "prometheus",
                "--storage.tsdb.retention.time=120d",
                target=f"127.0.0.1:{port}",
                interval="2s",  # so that a series is scraped while it is shown at 0, however late one scrape is
            ) as prometheus,
            once_scraped(prometheus),
            Exporter(tmp_path, configuration, token=circle.token, address=f"127.0.0.1:{port}") as exporter,
        ):
            wait_until(
                lambda: prometheus.ask("count(circleci_workflow_runs_total) > 0"), interval=0.2, why="the first scrape"
            )
            for slug in SLUGS:
                for workflow in WORKFLOWS:
                    happen(circle, random, slug, workflow, time.time())
            total = sum(
                len(circle.organization.runs(slug, name, ALL_BRANCHES, 0, time.time() + 1))
                for slug in SLUGS
                for name in [*WORKFLOWS, "a new one"]
            )
            wait_until(
                lambda: [each.value for each in prometheus.ask("sum(circleci_workflow_runs_total)")] == [total],
                interval=0.2,
                why=f"{total} runs",
            )
            assert exporter.lives
            assert retention.ask(prometheus.url) == 120 * DAY
            assert hold_rises(prometheus, circle) > 40 * 5
