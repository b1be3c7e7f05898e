"""The container image's files, as far as they can be held without a container."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.deploy.exporter_metrics import DEPLOY, ROOT, documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCKER = DEPLOY / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def test_everything_that_the_image_copies_is_in_its_context() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    copied = [
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]

    assert set(copied) == set(kept)
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_pins_its_base_and_takes_packages_by_their_hash_alone() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    for install in re.findall(r"pip (?:--python \S+ )?install[^&]*", DOCKERFILE):
        assert "--require-hashes" in install or "--no-index" in install


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert "\nUSER 65532:65532\n" in DOCKERFILE


def test_the_folder_of_the_state_is_the_one_that_the_instructions_mount_a_volume_on() -> None:
    text = (DOCKER / "README.md").read_text(encoding="utf-8")
    (made,) = re.findall(r"install -d -o 65532 -g 0 -m 2770 (\S+)", DOCKERFILE)

    assert f"-state:{made} " in text
    assert f"path: {made}/state.sqlite" in text


def test_the_image_names_its_version_and_its_source_as_the_build_gives_them() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))
    arguments = re.findall(r"^ARG (\w+)", DOCKERFILE.rpartition("FROM ")[2], re.MULTILINE)

    assert {f"${{{name}}}" for name in arguments} == {
        labels[name] for name in ("version", "revision", "created", "source")
    }
    assert labels["licenses"] == "Apache-2.0"


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int]]]:
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/-/healthy", status
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_tells_by_its_exit_code(status: int, healthy: bool, answering: tuple[str, list[int]]) -> None:
    url, statuses = answering
    statuses[0] = status

    done = subprocess.run(
        [sys.executable, DOCKER / "healthcheck.py"], check=False, env={"HEALTH_URL": url}, capture_output=True
    )

    assert (done.returncode == 0) is healthy


def test_the_health_check_fails_where_nothing_listens() -> None:
    done = subprocess.run(
        [sys.executable, DOCKER / "healthcheck.py"],
        check=False,
        env={"HEALTH_URL": "http://127.0.0.1:1/"},
        capture_output=True,
    )

    assert done.returncode == 1


def test_what_compose_mounts_exists() -> None:
    compose = documents(DOCKER / "compose.yaml")
    mounts = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]

    assert len(mounts) == 5
    assert all((DOCKER / mount).resolve().exists() for mount in mounts)


def test_compose_runs_the_demo_read_only_and_without_capabilities() -> None:
    exporter = documents(DOCKER / "compose.yaml")["services"]["exporter"]

    assert exporter["command"] == ["demo"]
    assert exporter["read_only"] is True
    assert exporter["cap_drop"] == ["ALL"]
    assert (DOCKER / exporter["build"]["context"]).resolve() == ROOT


def test_composes_prometheus_has_the_job_and_the_rules_of_the_alerts() -> None:
    config = documents(DOCKER / "prometheus.yml")
    rules = {path.name for path in (DEPLOY / "prometheus" / "rules").glob("*.yml")}

    assert {name.removeprefix("rules/") for name in config["rule_files"]} == rules
    assert [each["job_name"] for each in config["scrape_configs"]] == ["circleci-insights-exporter"]


def test_composes_prometheus_sends_alerts_to_its_alertmanager(promtool: Path, tmp_path: Path) -> None:
    services = documents(DOCKER / "compose.yaml")["services"]
    (manager,) = documents(DOCKER / "prometheus.yml")["alerting"]["alertmanagers"]
    (mount,) = services["alertmanager"]["volumes"]
    route = documents(DOCKER / "alertmanager.yml")

    assert manager == {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    # Where the image looks for it.
    assert mount == "./alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro"
    assert services["alertmanager"]["ports"] == ["127.0.0.1:9093:9093"]
    assert route["route"]["receiver"] in {each["name"] for each in route["receivers"]}
    shutil.copyfile(DOCKER / "prometheus.yml", tmp_path / "prometheus.yml")
    shutil.copytree(DEPLOY / "prometheus" / "rules", tmp_path / "rules")
    subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], check=True)


def test_composes_images_are_pinned() -> None:
    images = [each["image"] for each in documents(DOCKER / "compose.yaml")["services"].values() if "build" not in each]

    assert len(images) == 3
    assert all(re.search(r":v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$", image) for image in images)


def test_composes_grafana_finds_its_data_source_and_its_dashboards() -> None:
    compose = documents(DOCKER / "compose.yaml")["services"]["grafana"]
    (provider,) = documents(DOCKER / "grafana/dashboards/circleci.yaml")["providers"]
    (source,) = documents(DOCKER / "grafana/datasources/prometheus.yaml")["datasources"]

    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in compose["volumes"]
    assert source["type"] == "prometheus"
    home = compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / "dashboards" / home.rpartition("/")[2]).exists()
