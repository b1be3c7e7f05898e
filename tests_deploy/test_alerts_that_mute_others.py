"""The shipped inhibitions, in a real Alertmanager: what explains an alert mutes it, and nothing else is muted."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.conftest import find_program
from tests.running.waiting import PATIENCE, wait_until
from tests_deploy.processes import fetch, free_port, running
from tests_deploy.prometheus import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE, ELSEWHERE, THIRD, SHARED = ({"job": "circleci", "namespace": name} for name in ("ci", "other", "third", "shared"))
BUILD = {"project": "gh/acme/web", "workflow": "build", "branch": "main"}
DEPLOY = {**BUILD, "workflow": "deploy"}
CAUSES = [
    ("CircleCITokenRefused", HERE),
    ("CircleCINoLeader", SHARED),
    ("CircleCIFailureBudgetBurnsFast", BUILD),
]
MUTED = [
    ("CircleCIUnreachable", {**HERE, "instance": "a"}),
    ("CircleCIProjectFailing", {**HERE, "project": "gh/acme/web", "collector": "jobs"}),
    ("CircleCIDataStale", {**HERE, "project": "gh/acme/web", "collector": "jobs"}),
    ("CircleCINoData", HERE),
    ("CircleCINoData", SHARED),
    ("CircleCIShardMissing", SHARED),
    ("CircleCIDefaultBranchFailing", BUILD),
    ("CircleCIFailureBudgetBurnsSlowly", BUILD),
]
HEARD = [
    # The token of one organization says nothing about another exporter.
    ("CircleCIUnreachable", {**ELSEWHERE, "instance": "a"}),
    ("CircleCIProjectFailing", {**THIRD, "project": "gh/acme/web", "collector": "jobs"}),
    ("CircleCIDefaultBranchFailing", DEPLOY),
    ("CircleCIShardMissing", HERE),
    *CAUSES,
]
# Raised after the others: Alertmanager learns of alerts in their order, so where this pair is known, all are.
LAST, MUTED_LAST = (("CircleCINoProjects", {"job": "last"}), ("CircleCINoData", {"job": "last"}))
Alert = tuple[str, dict[str, str]]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        find_program("prometheus-alertmanager"),
        f"--config.file={RULES.parent / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running(command, f"http://{address}/-/ready", folder / "log"):
        yield f"http://{address}/api/v2/alerts"


def alerts_raised(url: str, alerts: list[Alert]) -> None:
    body = json.dumps([{"labels": {"alertname": name, **labels}} for name, labels in alerts]).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE):
        pass


def key(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(labels.items())


def silent(url: str) -> list[list[tuple[str, str]]]:
    """The labels of the alerts that others mute now."""
    return sorted(key(each["labels"]) for each in json.loads(fetch(url)) if each["status"]["inhibitedBy"])


def test_what_explains_an_alert_mutes_it_and_nothing_of_another_exporter_or_workflow(alertmanager: str) -> None:
    alerts_raised(alertmanager, MUTED + HEARD)
    alerts_raised(alertmanager, [LAST, MUTED_LAST])
    expected = [key({"alertname": name, **labels}) for name, labels in [*MUTED, MUTED_LAST]]

    wait_until(lambda: expected[-1] in silent(alertmanager), interval=0.1, why="the last alert to be muted")

    assert silent(alertmanager) == sorted(expected)
    assert len(json.loads(fetch(alertmanager))) == len(MUTED + HEARD) + 2
