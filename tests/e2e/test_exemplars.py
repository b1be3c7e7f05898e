"""Exemplars, read back from a real Prometheus 3 with exemplar storage: of each bucket the newest of the runs in it."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci import RemoteCircle
from tests.running.program import Exporter
from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running.scrapes import Scrape

TOKEN, SLUG = "CCIPAT_exemplars_must-be-seen-nowhere", "gh/acme/web"
RUNS, JOBS = "circleci_workflow_run_duration_seconds", "circleci_job_run_duration_seconds"
BOUNDS = ("30.0", "60.0", "120.0", "300.0", "+Inf")
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000}}
state: {{path: "{state}"}}
defaults:
  collectors: [pipelines]
  runs: {{buckets: [30s, 1m, 2m, 5m]}}
  pipelines: {{interval: 1s, idle_interval: 1s}}
projects: [{slug}]
"""
DURATIONS = (12, 25, 45, 301, 59, 28, 4000)
"""In seconds, one after the other; three fall into the first bucket."""


@pytest.fixture(scope="module")
def circle() -> Iterator[RemoteCircle]:
    circle = RemoteCircle.spawn("--quiet", "--refresh", "1", token=TOKEN)
    try:
        circle.change_projects(add=[{"slug": SLUG}])
        yield circle
    finally:
        circle.stop()


@pytest.fixture(scope="module")
def exporter(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("exporter")
    configuration = CONFIGURATION.format(url=circle.url, state=folder / "state.db", slug=SLUG)
    with Exporter(folder, configuration, token=TOKEN) as exporter:
        yield exporter


def run(circle: RemoteCircle, duration: float) -> dict[str, Any]:
    """Let a run of one job happen that has just ended."""
    stopped = float(int(circle.advance(1.0)))  # CircleCI sends whole seconds
    created = stopped - duration
    job = {"name": "test", "status": "success", "started": created, "stopped": stopped}
    made = {"name": "build", "status": "success", "created": created, "stopped": stopped, "jobs": [job]}
    given = {"slug": SLUG, "branch": "main", "created": created, "workflows": [made]}
    (pipeline,) = circle.change_pipelines(("add", given))
    return dict(pipeline["workflows"][0])


@pytest.fixture(scope="module")
def newest(circle: RemoteCircle, exporter: Exporter) -> dict[str, dict[str, Any]]:
    """Let all runs happen and be counted; the newest of each bucket, by its bound."""

    def polled(scrape: Scrape) -> bool:
        return scrape.get("collector_success", project=SLUG, collector="pipelines") == 1

    def counted(scrape: Scrape) -> bool:
        labels = {"project": SLUG, "workflow": "build", "branch": "main"}
        jobs = scrape.get(f"{JOBS}_count", job_name="test", **labels)
        return (scrape.get(f"{RUNS}_count", **labels), jobs) == (len(DURATIONS), len(DURATIONS))

    exporter.until(polled, "the first poll")
    circle.advance(60)  # nothing of what follows had ended before it
    found = {}
    for duration in DURATIONS:
        found[next(bound for bound in BOUNDS if duration <= float(bound))] = run(circle, duration)
    exporter.until(counted, "all runs")
    return found


def kept(prometheus: Prometheus, family: str) -> dict[str, tuple[str, float, float]]:
    """What Prometheus keeps of a histogram by bound: the run, what was observed, and when."""
    now = time.time()
    return {
        each["seriesLabels"]["le"]: (exemplar["labels"]["workflow_id"], float(exemplar["value"]), exemplar["timestamp"])
        for each in prometheus.exemplars(f"{family}_bucket", now - 3600, now + 3600)
        for exemplar in each["exemplars"]
    }


@pytest.mark.timeout(600)
def test_prometheus_3_keeps_the_newest_run_of_each_bucket(
    prometheus_3: Path, newest: dict[str, dict[str, Any]], exporter: Exporter, tmp_path: Path
) -> None:
    version = subprocess.run([prometheus_3, "--version"], capture_output=True, text=True, check=True).stdout
    assert re.match(r"prometheus, version 3\.(\d+)", version)
    storage = "--enable-feature=exemplar-storage"
    with Prometheus(prometheus_3, tmp_path, storage, target=exporter.address) as prometheus:
        wait_until(lambda: len(kept(prometheus, JOBS)) == len(newest), interval=0.2, why="exemplars")
        for family in (RUNS, JOBS):
            found = kept(prometheus, family)
            assert found.keys() == newest.keys()
            for bound, (workflow, observed, at) in found.items():
                expected = newest[bound]
                assert workflow == expected["id"]
                assert (observed, at) == (expected["stopped"] - expected["created"], expected["stopped"])
        [count] = prometheus.ask(f"{RUNS}_count")
        assert count.value == len(DURATIONS)
        assert "workflow_id" not in count.labels


def test_the_text_format_has_none(newest: dict[str, dict[str, Any]], exporter: Exporter) -> None:
    text = exporter.scrape().text
    assert f"{RUNS}_bucket" in text
    assert not any(each["id"] in text for each in newest.values())
