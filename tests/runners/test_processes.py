"""Runners in the exporter as a process: configured alone, with shards, over a reload, in `once` and in `check`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle
from tests.runners.fake import RESOURCE, RUNNING, TASKS, TOKEN, FakeRunnerApi, runner
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
def api() -> Iterator[FakeRunnerApi]:
    with FakeRunnerApi() as running:
        yield running


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(token=TOKEN) as running:
        yield running


def config(api: FakeRunnerApi, circle: Circle, runners: str, more: str = "") -> str:
    return (
        f"circleci: {{url: '{circle.url}', timeout: 2s}}\n"
        f"runners: {{url: '{api.url}', interval: 1s, {runners}}}\n{more}"
    )


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").write_text(text)
    environment = {**os.environ, "CIRCLECI_TOKEN": TOKEN, "COLUMNS": "120"}
    return run_to_end([COMMAND, *arguments], cwd=folder, env=environment)


def test_runners_need_no_project_and_keep_nothing_over_a_restart(
    api: FakeRunnerApi, circle: Circle, tmp_path: Path
) -> None:
    api.namespace("acme", (A,), (runner(A),))
    api.resource_class(A, 3, 1)
    text = config(api, circle, "namespaces: [acme]", "state: {path: state.db}\n")
    with Exporter(tmp_path, text, token=TOKEN) as exporter:
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
    api.hang(RESOURCE, "acme")
    with Exporter(tmp_path, text, token=TOKEN) as exporter:
        wait_until(lambda: len(api.asked(RESOURCE)) > 1)
        assert not [name for name in exporter.scrape().values if name.startswith("circleci_runner")]


def test_only_the_first_shard_asks(api: FakeRunnerApi, circle: Circle, tmp_path: Path) -> None:
    api.resource_class(A, 3)
    text = config(api, circle, f"resource_classes: [{A}]", "projects: [gh/acme/web]\n")
    with Exporter(tmp_path / "1", text, "--shard", "1", "--total-shards", "2", token=TOKEN) as second:
        wait_until(lambda: second.get("/-/ready")[0] == 200)
        with Exporter(tmp_path / "0", text, "--shard", "0", "--total-shards", "2", token=TOKEN) as first:
            first.until(lambda scrape: scrape.get(UNCLAIMED, resource_class=A) == 3, "the class")
        assert not [name for name in second.scrape().values if "runner" in name]


def test_a_reload_turns_runners_on_and_off(api: FakeRunnerApi, circle: Circle, tmp_path: Path) -> None:
    api.resource_class(A, 3)
    project = "projects: [gh/acme/web]\n"
    on, off = config(api, circle, f"resource_classes: [{A}]", project), config(api, circle, "", project)
    with Exporter(tmp_path, off, token=TOKEN) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200)
        assert api.asked() == []
        exporter.configure(on)
        exporter.hang_up()
        exporter.until(lambda scrape: scrape.get(UNCLAIMED, resource_class=A) == 3, "the class")
        exporter.configure(off)
        exporter.hang_up()
        exporter.until(lambda scrape: UNCLAIMED not in scrape.text, "no class")


def test_a_runner_api_that_is_down_says_nothing_about_circleci(
    api: FakeRunnerApi, circle: Circle, tmp_path: Path
) -> None:
    text = config(api, circle, f"resource_classes: [{A}]", "projects: [gh/acme/web]\n")
    api.set(TASKS, A, {"message": "down"}, 503)
    with Exporter(tmp_path, text, token=TOKEN) as exporter:
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
        api.set(TASKS, A, {"unclaimed_task_count": 1})
        wait_until(lambda: exporter.events("runners recovered"))


def test_a_server_needs_the_address_of_its_runner_api(tmp_path: Path) -> None:
    text = f"circleci: {{url: 'https://circleci.example.com'}}\nrunners: {{resource_classes: [{A}]}}\n"
    done = run(tmp_path, text, "run", "--web.listen-address", "127.0.0.1:0")
    assert done.returncode == 2
    assert "runners.url: required key is missing" in done.stderr


def test_once_asks_no_runner_api(api: FakeRunnerApi, circle: Circle, tmp_path: Path) -> None:
    api.resource_class(A, 3)
    done = run(tmp_path, config(api, circle, f"resource_classes: [{A}]"), "once")
    assert done.returncode == 0, done.stderr
    assert "circleci_exporter_build_info" in done.stdout
    assert "runner" not in done.stdout
    assert api.requests == []


def test_check_tells_the_classes_of_a_namespace_and_what_can_be_read(
    api: FakeRunnerApi, circle: Circle, tmp_path: Path
) -> None:
    api.namespace("acme", (A, B))
    api.resource_class(A)
    api.resource_class("other/c", 1)
    text = config(api, circle, "namespaces: [acme], resource_classes: [other/c]")
    done = run(tmp_path, text, "check")
    assert done.returncode == 0, done.stdout
    assert f"Runners of acme: {A}, {B}\n" in done.stdout
    assert "Runners of other/c: readable\n" in done.stdout
    assert sorted(api.asked()) == [
        (RESOURCE, "acme"),
        *((TASKS, each) for each in (A, "other/c")),
        *((RUNNING, each) for each in (A, "other/c")),
    ]
    document = json.loads(run(tmp_path, text, "check", "--json").stdout)
    good = {"ok": True, "error": "", "reason": ""}
    assert document["ok"] is True
    assert document["runners"] == [
        {"namespace": "acme", **good, "resource_classes": [A, B]},
        {"resource_class": "other/c", **good},
    ]


@pytest.mark.parametrize("status", [404, 410])
def test_check_fails_for_a_namespace_whose_tasks_circleci_no_longer_counts(
    api: FakeRunnerApi, circle: Circle, tmp_path: Path, status: int
) -> None:
    api.namespace("acme", (A, B))
    api.set(TASKS, A, {"message": "Gone"}, status)
    done = run(tmp_path, config(api, circle, "namespaces: [acme]"), "check")
    assert done.returncode == 3
    assert f"/runner/tasks?resource-class=acme%2Fa: HTTP {status}: Gone\n" in done.stdout
    assert "CircleCI no longer counts tasks for anyone" in " ".join(done.stdout.split())


def test_check_fails_for_what_cannot_be_read_and_says_what_to_do(
    api: FakeRunnerApi, circle: Circle, tmp_path: Path
) -> None:
    api.set(RESOURCE, "acme", {"items": []})
    text = config(api, circle, "namespaces: [acme], resource_classes: [other/c]")
    done = run(tmp_path, text, "check")
    assert done.returncode == 3
    assert "Runners of acme: no resource class\n" in done.stdout
    failed = "GET /api/v3/runner/tasks?resource-class=other%2Fc: HTTP 404: Not found"
    assert f"Reading runners of other/c fails: {failed}\n" in done.stdout
    assert "It does not exist, or the token's user cannot see it." in done.stdout
    assert run(tmp_path, text, "check", "--offline").returncode == 0
