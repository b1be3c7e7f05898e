"""One alert all the way: the demo, Prometheus with the shipped rules, Alertmanager with the shipped routes."""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import find_program
from tests.running.waiting import wait_until
from tests_deploy.processes import free_port, running
from tests_deploy.prometheus import RULES, configuration, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = RULES.parent / "alertmanager.yml"
Received = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Received]]:
    """A webhook receiver; gives its URL, and each alert with the path at which it came."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.extend((self.path, alert) for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def routes(folder: Path, url: str) -> Path:
    """The shipped routes for the demo's team, to this receiver, at once, and with those of severity info."""
    text = ROUTES.read_text(encoding="utf-8").replace("severity = info", "severity = none")
    text = text.replace("http://localhost:9099", url).replace("team = shop", "team = demo")
    path = folder / "alertmanager.yml"
    path.write_text(re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", text), encoding="utf-8")
    return path


def test_a_default_branch_that_fails_reaches_its_team(receiver: tuple[str, Received], tmp_path: Path) -> None:
    url, received = receiver
    demo, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    config = configuration(tmp_path, demo, alertmanager, impatient=True)
    demo_command: list[str | Path] = [sys.executable, "-m", "exporter", "demo", "--web.listen-address", demo]
    alert_command: list[str | Path] = [
        find_program("prometheus-alertmanager"),
        f"--config.file={routes(tmp_path, url)}",
        f"--storage.path={tmp_path / 'alerts'}",
        f"--web.listen-address={alertmanager}",
        "--cluster.listen-address=",
    ]

    with (
        running(demo_command, f"http://{demo}/-/ready", tmp_path / "demo.log"),
        running(alert_command, f"http://{alertmanager}/-/ready", tmp_path / "alertmanager.log"),
        prometheus(tmp_path, config),
    ):
        ((path, alert), *_) = wait_until(
            lambda: [each for each in received if each[1]["labels"]["alertname"] == "CircleCIDefaultBranchFailing"],
            240,
            why="the alert",
        )

    assert path == "/shop"
    assert alert["status"] == "firing"
    assert alert["labels"]["team"] == "demo"
    assert alert["labels"].keys() >= {"project", "workflow", "branch", "severity"}
    assert alert["labels"]["workflow"] in alert["annotations"]["summary"]
    assert re.search(r"is red\. It has failed (once|\d+ times in a row)", alert["annotations"]["description"])
    assert alert["annotations"]["runbook_url"].endswith("#circlecidefaultbranchfailing")
