"""Recording rules and alerts, by promtool and by what they name."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.exporter_metrics import ANYWHERE, DEPLOY, RULES, documents, exposed, recorded, rules
from tests.deploy.promql import selectors
from tests.deploy.rules_of_cases import read, run

CASES = Path(__file__).parent / "rules"
RUNBOOK = DEPLOY / "prometheus" / "RUNBOOK.md"
RUNBOOK_URL = "https://runbooks.example.com/circleci-insights-exporter"
ALERTS = rules("alerts.yml")
ALL = [*rules("recording.yml"), *ALERTS]
# Recorded by whoever wants another threshold for a project or an organization.
OVERRIDE = re.compile(r"circleci:threshold:(\w+)\{(?:project|organization)!=\"\"\}")
CONSTANT = re.compile(r"(?<![\w.])([\d.]+)  # (\w+)$", re.MULTILINE)


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def alert_cases() -> list[dict[str, Any]]:
    return [
        case
        for path in sorted(CASES.glob("*.yml"))
        for test in documents(path)["tests"]
        for case in test.get("alert_rule_test", [])
    ]


def test_promtool_takes_the_rules_and_the_configuration(promtool: Path) -> None:
    subprocess.run([promtool, "check", "rules", *sorted(RULES.glob("*.yml"))], check=True)
    subprocess.run([promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml"], check=True)


@pytest.mark.parametrize("cases", sorted(CASES.glob("*.yml")), ids=lambda path: path.stem)
def test_alerts_fire_and_stay_silent_as_the_cases_say(cases: Path, promtool: Path, tmp_path: Path) -> None:
    run(promtool, tmp_path, cases, read(cases)["tests"])


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    names = {rule["alert"] for rule in ALERTS}

    assert {case["alertname"] for case in alert_cases() if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in alert_cases() if not case.get("exp_alerts")} == names


def test_the_cases_are_about_the_metrics_that_the_exporter_has() -> None:
    series = [
        entry["series"]
        for path in sorted(CASES.glob("*.yml"))
        for test in documents(path)["tests"]
        for entry in test["input_series"]
    ]

    for name, labels in (found for text in series for found in selectors(text)):
        if name != "up":
            assert name in exposed() or name.startswith("circleci:threshold:")
            assert name not in exposed() or set(labels) <= exposed()[name] | ANYWHERE


@pytest.mark.parametrize("rule", ALL, ids=name_of)
def test_a_rule_names_only_metrics_that_exist_and_labels_that_they_have(rule: dict[str, Any]) -> None:
    known = exposed()
    for name, labels in selectors(rule["expr"]):
        assert name in known.keys() | recorded() | {"up"} or OVERRIDE.match(f'{name}{{project!=""}}')
        if name in known:
            assert set(labels) <= known[name] | ANYWHERE


@pytest.mark.parametrize("rule", ALL, ids=name_of)
def test_no_rule_hides_that_something_is_absent(rule: dict[str, Any]) -> None:
    assert not re.search(r"\bor\s+(?:on\s*\(\s*\)\s*)?vector\s*\(", rule["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=name_of)
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(alert: dict[str, Any]) -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["labels"]["component"] in {"exporter", "workflow"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"{RUNBOOK_URL}#{alert['alert'].lower()}"
    assert sections.count(alert["alert"]) == 1


def test_the_runbook_has_no_section_for_an_alert_that_is_gone() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert sections == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize(
    "alert", [rule for rule in ALERTS if "$labels.project" in str(rule["annotations"])], ids=name_of
)
def test_an_alert_about_a_project_carries_its_team(alert: dict[str, Any]) -> None:
    joined = "* on (project) group_left (team) ( topk by (project) (1, circleci:project:info) or on (project) group by"
    assert joined in " ".join(alert["expr"].split())


def test_a_threshold_is_a_constant_with_its_name_behind_it_and_the_same_wherever_it_stands() -> None:
    found: dict[str, set[str]] = {}
    for rule in ALL:
        for number, name in CONSTANT.findall(rule["expr"]):
            found.setdefault(name, set()).add(number)

    assert len(found) == 30
    assert {name for name, numbers in found.items() if len(numbers) > 1} == set()


def test_no_rule_has_a_number_without_a_name() -> None:
    for rule in ALL:
        bare = re.sub(r'\[[^]]*\]|"[^"]*"|offset \w+|vector\(\d+\)', "", CONSTANT.sub("", rule["expr"]))
        assert set(re.findall(r"(?<![\w.])\d[\w.]*", bare)) <= {"0", "1"}, name_of(rule)


def test_the_readme_lists_the_thresholds_that_a_project_or_an_organization_can_override() -> None:
    names = {name for rule in ALL for name in OVERRIDE.findall(rule["expr"])}
    readme = (DEPLOY / "prometheus" / "README.md").read_text(encoding="utf-8")

    assert names == set(re.findall(r"^\| `(\w+)` \| CircleCI", readme, re.MULTILINE))


def test_the_three_alerts_to_begin_with_exist_and_alertmanager_takes_their_route(program: Any, tmp_path: Path) -> None:
    page = (DEPLOY / "prometheus" / "README.md").read_text(encoding="utf-8")
    section = page.partition("## Begin with three alerts")[2].partition("\n## ")[0]
    first = re.findall(r"^\| \[(\w+)\]", section, re.MULTILINE)
    (example,) = re.findall(r"(?ms)```yaml\n(.*?)```", section)
    (tmp_path / "first.yml").write_text(textwrap.dedent(example), encoding="utf-8")

    assert len(first) == 3
    assert set(first) <= {alert["alert"] for alert in ALERTS}
    subprocess.run([program("amtool"), "check-config", tmp_path / "first.yml"], check=True)
    for name in ("CircleCIShardMissing", *first):
        routed = [program("amtool"), "config", "routes", "test", f"--config.file={tmp_path / 'first.yml'}"]
        done = subprocess.run([*routed, f"alertname={name}"], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == ("platform" if name in first else "nobody")


def test_alertmanager_takes_its_example(program: Any) -> None:
    subprocess.run([program("amtool"), "check-config", DEPLOY / "prometheus" / "alertmanager.yml"], check=True)
