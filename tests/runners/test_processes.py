"""Runners in the exporter as a process: configured alone, with shards, over a reload, in `once` and in `check`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from exporter.demo.circleci import DEMO_TOKEN
from exporter.demo.runners import PREFIX
from tests.circleci import Circle
from tests.circleci.runners import RESOURCE, RUNNING, TASKS, asking, runner
from tests.running.program import Exporter
from tests.running.starting import COMMAND, run_to_end
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

A, B = "acme/a", "acme/b"
UNCLAIMED = "circleci_runner_unclaimed_tasks"


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(quiet=True) as running:
        yield running


def config(circle: Circle, runners: str, more: str = "") -> str:
    return (
        f"circleci: {{url: '{circle.url}', timeout: 60s}}\n"
        f"runners: {{url: '{circle.url}', interval: 1s, {runners}}}\n{more}"
    )


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").write_text(text)
    environment = {**os.environ, "CIRCLECI_TOKEN": DEMO_TOKEN, "COLUMNS": "120"}
    return run_to_end([COMMAND, *arguments], cwd=folder, env=environment)


def test_runners_need_no_project_and_keep_nothing_over_a_restart(circle: Circle, tmp_path: Path) -> None:
    circle.runners.namespace("acme", (A,), (runner(A),))
    circle.runners.resource_class(A, 3, 1)
    text = config(circle, "namespaces: [acme]", "state: {path: state.db}\n")
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        exporter.until(
            lambda scrape: (
                scrape.get(UNCLAIMED, resource_class=A) == 3
                and scrape.get("circleci_runner_running_tasks", resource_class=A) == 1
                and scrape.get("circleci_runners", resource_class=A, version="3.1.5", state="connected") == 1
                and scrape.get("circleci_runners", resource_class=A, version="3.1.5", state="lost") == 0
            ),
            "all three families",
        )
        status, headers, openmetrics = exporter.ask(
            "/metrics", Accept="application/openmetrics-text;version=1.0.0", **{"Accept-Encoding": "gzip"}
        )
        assert (status, openmetrics.count(f"# TYPE {UNCLAIMED} gauge")) == (200, 1)
        assert "openmetrics" in headers["Content-Type"]
        scrape = exporter.scrape()
        assert scrape.get("collector_failures_total", collector="runners", reason="server") == 0
        assert not [name for name in scrape.values if "collector_success" in name]
        assert exporter.get("/-/ready")[0] == exporter.get("/")[0] == 200
        assert exporter.stop()[0] == 0
    circle.forget_requests()
    circle.fail("hold", asking(RESOURCE, "acme"))
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        wait_until(lambda: circle.asked(asking(RESOURCE, "acme")), why="the namespace to be asked for")
        assert not [name for name in exporter.scrape().values if name.startswith("circleci_runner")]


def test_only_the_first_shard_asks(circle: Circle, tmp_path: Path) -> None:
    circle.runners.resource_class(A, 3)
    text = config(circle, f"resource_classes: [{A}]", "projects: [gh/acme/web]\n")
    with Exporter(tmp_path / "1", text, "--shard", "1", "--total-shards", "2", token=circle.token) as second:
        wait_until(lambda: second.get("/-/ready")[0] == 200)
        with Exporter(tmp_path / "0", text, "--shard", "0", "--total-shards", "2", token=circle.token) as first:
            first.until(lambda scrape: scrape.get(UNCLAIMED, resource_class=A) == 3, "the class")
        assert not [name for name in second.scrape().values if "runner" in name]


def test_a_reload_turns_runners_on_and_off(circle: Circle, tmp_path: Path) -> None:
    circle.runners.resource_class(A, 3)
    project = "projects: [gh/acme/web]\n"
    on, off = config(circle, f"resource_classes: [{A}]", project), config(circle, "", project)
    with Exporter(tmp_path, off, token=circle.token) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200)
        assert circle.asked(PREFIX) == []
        exporter.configure(on)
        exporter.hang_up()
        exporter.until(lambda scrape: scrape.get(UNCLAIMED, resource_class=A) == 3, "the class")
        exporter.configure(off)
        exporter.hang_up()
        exporter.until(lambda scrape: UNCLAIMED not in scrape.text, "no class")


def test_a_runner_api_that_is_down_says_nothing_about_circleci(circle: Circle, tmp_path: Path) -> None:
    circle.runners.resource_class(A)
    text = config(circle, f"resource_classes: [{A}]", "projects: [gh/acme/web]\n")
    circle.fail("unavailable", asking(TASKS, A))
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        scrape = exporter.until(
            lambda scrape: (
                (scrape.get("collector_failures_total", collector="runners", reason="server") or 0) > 1
                and scrape.get("up") == 1
            ),
            "failures of runners beside polls that are good",
        )
        assert scrape.get("api_retries_total", reason="server") == 0
        (told,) = exporter.events("runners are failing", reason="server")
        assert "HTTP 503" in told["error"]
        circle.heal()
        wait_until(lambda: exporter.events("runners recovered"))


def test_a_server_needs_the_address_of_its_runner_api(tmp_path: Path) -> None:
    text = f"circleci: {{url: 'https://circleci.example.com'}}\nrunners: {{resource_classes: [{A}]}}\n"
    done = run(tmp_path, text, "run", "--web.listen-address", "127.0.0.1:0")
    assert done.returncode == 2
    assert "runners.url: required key is missing" in done.stderr


def test_once_asks_no_runner_api(circle: Circle, tmp_path: Path) -> None:
    circle.runners.resource_class(A, 3)
    done = run(tmp_path, config(circle, f"resource_classes: [{A}]"), "once")
    assert done.returncode == 0, done.stderr
    assert "circleci_exporter_build_info" in done.stdout
    assert "runner" not in done.stdout
    assert circle.asked(PREFIX) == []


def test_check_tells_the_classes_of_a_namespace_and_what_can_be_read(circle: Circle, tmp_path: Path) -> None:
    circle.runners.namespace("acme", (A, B))
    circle.runners.resource_class(A)
    circle.runners.resource_class("other/c", 1)
    text = config(circle, "namespaces: [acme], resource_classes: [other/c]")
    done = run(tmp_path, text, "check")
    assert done.returncode == 0, done.stdout
    assert f"Runners of acme: {A}, {B}\n" in done.stdout
    assert "Runners of other/c: readable\n" in done.stdout
    asked = [(RESOURCE, "acme"), *((path, each) for path in (TASKS, RUNNING) for each in (A, "other/c"))]
    assert len(circle.asked(PREFIX)) == len(asked)
    assert all(len(circle.asked(asking(*each))) == 1 for each in asked)
    document = json.loads(run(tmp_path, text, "check", "--json").stdout)
    good = {"ok": True, "error": "", "reason": ""}
    assert document["ok"] is True
    assert document["runners"] == [
        {"namespace": "acme", **good, "resource_classes": [A, B]},
        {"resource_class": "other/c", **good},
    ]


@pytest.mark.parametrize("status", [404, 410])
def test_check_fails_for_a_namespace_whose_tasks_circleci_no_longer_counts(
    circle: Circle, tmp_path: Path, status: int
) -> None:
    circle.runners.namespace("acme", (A, B))
    circle.fail("status", asking(TASKS, A), code=status, body='{"message": "Gone"}')
    done = run(tmp_path, config(circle, "namespaces: [acme]"), "check")
    assert done.returncode == 3
    assert f"/runner/tasks?resource-class=acme%2Fa: HTTP {status}: Gone\n" in done.stdout
    assert "CircleCI no longer counts tasks for anyone" in " ".join(done.stdout.split())


def test_check_fails_for_what_cannot_be_read_and_says_what_to_do(circle: Circle, tmp_path: Path) -> None:
    circle.runners.namespace("acme", ())
    text = config(circle, "namespaces: [acme], resource_classes: [other/c]")
    done = run(tmp_path, text, "check")
    assert done.returncode == 3
    assert "Runners of acme: no resource class\n" in done.stdout
    failed = "GET /api/v3/runner/tasks?resource-class=other%2Fc: HTTP 404: Not found"
    assert f"Reading runners of other/c fails: {failed}\n" in done.stdout
    assert "It does not exist, or the token's user cannot see it." in done.stdout
    assert run(tmp_path, text, "check", "--offline").returncode == 0
