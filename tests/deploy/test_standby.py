"""A replica that stands by doubles nothing: what it shows is read only where instances are told apart."""

from __future__ import annotations

import json
import re

from exporter.telemetry import StandbyTelemetry
from tests.deploy.exporter_metrics import RULES, documents
from tests.deploy.promql import metrics
from tests.deploy.test_dashboards import DASHBOARDS, SHOWN

STANDBY = set(re.findall(r"^([a-z]\w*)", StandbyTelemetry("1").render(openmetrics=False).decode(), re.MULTILINE))
LEADER = "circleci_exporter_leader"


def test_panels_show_it_among_the_instances_and_in_what_processes_use() -> None:
    assert LEADER in STANDBY
    assert not [name for name in STANDBY if not name.startswith(("circleci_exporter_", "process_", "python_"))]
    found = {
        (board, panel["title"])
        for board, panel in SHOWN
        for target in panel["targets"]
        if metrics(target["expr"]) & STANDBY
    }
    assert found == {("exporter", title) for title in ("Instances", "Memory", "CPU")}


def test_variables_and_marks_of_other_dashboards_do_not_know_it_but_for_the_names_of_clusters() -> None:
    for name, board in DASHBOARDS.items():
        variables = [each for each in board["templating"]["list"] if each["name"] != "cluster"]
        beside = json.dumps([variables, board["annotations"]])
        assert name == "exporter" or not [each for each in STANDBY if each in beside]


def test_no_rule_reads_it_but_those_that_ask_who_leads_and_since_when() -> None:
    rules = [
        rule for path in sorted(RULES.glob("*.yml")) for group in documents(path)["groups"] for rule in group["rules"]
    ]
    found = {rule.get("alert", rule.get("record")) for rule in rules if metrics(rule["expr"]) & STANDBY}
    assert found == {"CircleCIExporterDown", "CircleCINoLeader", "CircleCIReplicaDown", "CircleCIStateLost"}
