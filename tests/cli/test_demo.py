"""`demo`, `schema` and `metrics`: what needs nothing, neither file nor token nor network."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from exporter.cli.command import main
from exporter.demo.catalog import builtin
from tests.running.program import unmeasured
from tests.running.scrapes import Scrape
from tests.running.starting import COMMAND, Process, command
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = re.compile(r"http://(127\.0\.0\.1:\d+)/metrics")
OPEN = build_opener(ProxyHandler({})).open


class Demo:
    """A demo under way."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in unmeasured().items() if name != "CIRCLECI_TOKEN"}
        self.output, self.began = folder / "output", time.monotonic()
        with self.output.open("wb") as output:
            self.process = Process(
                [COMMAND, "demo", "--web.listen-address", "127.0.0.1:0"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def address(self) -> str:
        found = wait_until(lambda: ADDRESS.search(self.output.read_text()), why="the address")
        assert found is not None
        return found[1]

    def scrape(self) -> Scrape:
        with OPEN(f"http://{self.address()}/metrics", timeout=PATIENCE) as answer:
            return Scrape(answer.read().decode())

    def polled(self) -> Scrape | None:
        scrape = self.scrape()
        good = [
            value for name, value in scrape.values.items() if name.startswith("circleci_exporter_collector_success{")
        ]
        return scrape if len(good) >= 6 * 8 and all(good) else None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.process.kill()
    running.process.wait(PATIENCE)


def test_the_demo_says_where_to_look_and_shows_six_projects_with_all_collectors(demo: Demo, promtool: Path) -> None:
    scrape = wait_until(demo.polled, interval=0.2, why="everything to be polled")
    assert scrape is not None
    for project in builtin(1):
        label = f"{project.owner.name}/{project.name}" if project.owner.vcs == "circleci" else project.slug
        assert len(scrape.of_project(label)) > 20
    for collector in ("workflows", "jobs", "flaky_tests", "tests", "project", "job_trend", "workflow_summary"):
        assert (scrape.get("series", collector=collector) or 0) > 0
    assert scrape.get("up") == 1
    with OPEN(f"http://{demo.address()}/", timeout=PATIENCE) as page:
        assert b"gh/acme/web" in page.read()
    found = subprocess.run(
        [promtool, "check", "metrics"], input=scrape.text, capture_output=True, text=True, check=False
    )
    # promtool takes CircleCI's word for the endpoint, a summary of a workflow, for Prometheus' type of that name.
    findings = [line for line in found.stderr.splitlines() if "workflow_summary" not in line]
    assert (findings, found.stdout) == ([], "")


def test_the_demo_shows_runs_that_begin_and_end_while_somebody_looks(demo: Demo) -> None:
    def counted() -> float:
        return sum(
            value for name, value in demo.scrape().values.items() if name.startswith("circleci_workflow_runs_total")
        )

    def of_lists() -> float:
        return demo.scrape().get("api_requests_total", endpoint="/pipeline", code="200") or 0

    def in_progress() -> float:
        return sum(
            value
            for name, value in demo.scrape().values.items()
            if name.startswith("circleci_workflow_runs_in_progress{")
        )

    before = counted()
    wait_until(lambda: counted() > before, interval=0.5, why="a run to end")
    wait_until(lambda: in_progress() > 0, interval=0.5, why="all that is under way to be looked at once")
    assert of_lists() > 0  # its projects share organizations
    with OPEN(f"http://{demo.address()}/", timeout=PATIENCE) as page:
        assert b'id="now"' in page.read()


def test_the_demo_ends_by_ctrl_c_with_exit_code_0_and_without_a_traceback(demo: Demo) -> None:
    wait_until(demo.scrape)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(PATIENCE) == 0
    assert "Traceback" not in demo.output.read_text()


def test_the_demo_ends_by_itself_after_its_duration(tmp_path: Path) -> None:
    began = time.monotonic()
    done = command("demo", "--duration", "1s", "--web.listen-address", "127.0.0.1:0", folder=tmp_path)
    assert done.returncode == 0
    assert time.monotonic() - began >= 1
    assert "Traceback" not in done.stderr


def test_a_duration_that_is_none_ends_with_2() -> None:
    done = CliRunner().invoke(main, ["demo", "--duration", "soon"])
    assert done.exit_code == 2
    assert "90s" in done.stderr


def test_schema_is_a_json_schema_that_takes_the_example_and_refuses_a_wrong_key(
    request: pytest.FixtureRequest,
) -> None:
    done = CliRunner().invoke(main, ["schema"])
    assert (done.exit_code, done.stderr) == (0, "")
    validator = Draft202012Validator(json.loads(done.stdout))
    validator.check_schema(validator.schema)
    example = yaml.safe_load((request.config.rootpath / "config.example.yaml").read_text())
    assert validator.is_valid(example)
    assert not validator.is_valid(example | {"colour": "red"})


def test_metrics_lists_every_family_for_people_and_for_programs() -> None:
    rows = json.loads(CliRunner().invoke(main, ["metrics", "--format", "json"]).stdout)
    text = CliRunner().invoke(main, ["metrics"]).stdout
    names = json.dumps(rows)
    for name in (
        "circleci_insights_workflow_duration_p95_seconds",
        "circleci_workflow_runs_total",
        "circleci_exporter_up",
    ):
        assert name in names
        assert name in text
    assert len(rows) > 80
