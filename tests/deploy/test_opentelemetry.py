"""The Collector's configuration: Prometheus takes its scraping; each name is ours or one of the conventions."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter.runs.pipelines import UNDER_WAY
from exporter.runs.reading import STATUSES
from tests.deploy.exporter_metrics import DEPLOY, ROOT, documents, exposed

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = documents(DEPLOY / "opentelemetry" / "collector.yaml")
SCRAPING: dict[str, Any] = CONFIG["receivers"]["prometheus"]["config"]
STATEMENTS = [each for group in CONFIG["processors"]["transform"]["metric_statements"] for each in group["statements"]]
# Of the conventions, as far as they are used: metrics with their units, attributes, and the words of states.
METRICS = {
    "cicd.pipeline.run.duration": "s",
    "cicd.pipeline.run.active": "{run}",
    "cicd.pipeline.run.errors": "{error}",
    "cicd.worker.count": "{worker}",
}
ATTRIBUTES = {
    "cicd.pipeline.name",
    "cicd.pipeline.run.state",
    "cicd.worker.state",
    "error.type",
    "vcs.ref.head.name",
}
NAME = re.compile(r'metric\.name == "(\w+)"')


def relabeled(name: str, **labels: str) -> dict[str, str] | None:
    """The labels of a sample after the relabeling, as far as this file uses it; None for one that is dropped."""
    found = {"__name__": name, **labels}
    (job,) = SCRAPING["scrape_configs"]
    for each in job["metric_relabel_configs"]:
        match = re.fullmatch(each["regex"], ";".join(found.get(label, "") for label in each["source_labels"]))
        if each.get("action") == "keep" and not match:
            return None
        if match and "target_label" in each:
            found[each["target_label"]] = each["replacement"]
    return found


def test_prometheus_takes_the_scraping(promtool: Path, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(SCRAPING), encoding="utf-8")

    subprocess.run([promtool, "check", "config", file], check=True)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_each_status_of_a_run_in_progress_is_a_state(status: str) -> None:
    labels = relabeled("circleci_workflow_runs_in_progress", status=status)

    assert labels is not None
    assert labels["run_state"] == ("pending" if status in {"queued", "on_hold"} else "executing")


def test_only_runs_that_failed_are_errors_and_all_else_of_the_exporter_is_dropped() -> None:
    errors = {
        status for status in (*STATUSES, "unheard-of") if relabeled("circleci_workflow_runs_total", status=status)
    }

    assert errors == {"failed", "error", "unauthorized"}
    assert relabeled("circleci_workflow_run_duration_seconds_bucket", le="60") is not None
    assert relabeled("circleci_exporter_up") is None


def test_a_runner_is_connected_or_offline() -> None:
    for state, said in (("connected", "connected"), ("lost", "offline")):
        assert (relabeled("circleci_runners", state=state) or {})["state"] == said


def test_each_statement_is_about_a_metric_that_there_is_and_makes_names_of_the_conventions() -> None:
    text = "\n".join(STATEMENTS)
    renamed = dict(re.findall(r'set\(metric\.name, "([\w.]+)"\) where metric\.name == "(\w+)"', text))
    units = {
        name: unit for unit, name in re.findall(r'set\(metric\.unit, "(\S+)"\) where metric\.name == "(\w+)"', text)
    }
    known = exposed()
    labels = set().union(*(known.get(name) or known[f"{name}_bucket"] for name in renamed.values())) | {"run_state"}

    assert {new: units[old] for new, old in renamed.items()} == METRICS
    assert set(NAME.findall(text)) == set(renamed.values())
    assert set(re.findall(r'set\(datapoint\.attributes\["([\w.]+)"\]', text)) == ATTRIBUTES
    assert set(re.findall(r', datapoint\.attributes\["(\w+)"\]', text)) <= labels


def test_a_metric_is_renamed_only_after_everything_that_knows_it_by_its_old_name() -> None:
    for old in set(NAME.findall("\n".join(STATEMENTS))):
        about = [each for each in STATEMENTS if f'"{old}"' in each]
        assert about[-1].startswith("set(metric.name, "), old


def test_the_page_says_what_the_configuration_does() -> None:
    page = (ROOT / "docs" / "opentelemetry.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([\w.]+)` \| `(\w+)`", page, re.MULTILINE))
    renamed = re.findall(r'set\(metric\.name, "([\w.]+)"\) where metric\.name == "(\w+)"', "\n".join(STATEMENTS))

    assert {name: table[name] for name in METRICS} == dict(renamed)
    assert all(f"| `{name}` |" in page for name in ATTRIBUTES)
