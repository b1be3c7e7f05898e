"""The metrics that the exporter says it has, and those that the recording rules add."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.promql import metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
# What Prometheus adds to each series of a target, and what a histogram and project_info may have besides.
ANYWHERE = {"job", "instance", "namespace", "pod", "cluster"}
TEAM = "team"


def documents(path: Path) -> Any:
    """The one document of a YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)  # the library's own is 20 times slower


def rules(name: str) -> list[dict[str, Any]]:
    """All rules of a file of rules, in their order."""
    return [rule for group in documents(RULES / name)["groups"] for rule in group["rules"]]


@cache
def _reference() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "exporter", "metrics", "--format", "json"]
    listed: list[dict[str, Any]] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return listed


@cache
def exposed() -> dict[str, frozenset[str]]:
    """Labels by the name of each series that the exporter can expose, by its own reference."""
    labels: dict[str, frozenset[str]] = {}
    for metric in _reference():
        names = frozenset(metric["labels"])
        if metric["type"] == "histogram":
            labels |= {f"{metric['name']}_bucket": names | {"le"}, f"{metric['name']}_sum": names}
            labels[f"{metric['name']}_count"] = names
        else:
            labels[metric["name"]] = names
    labels["circleci_insights_project_info"] |= {TEAM}
    # Of the process, by prometheus_client.
    process = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds")
    return labels | dict.fromkeys(process, frozenset[str]())


@cache
def recorded() -> frozenset[str]:
    """The names of all recorded series."""
    return frozenset(rule["record"] for rule in rules("recording.yml"))


@cache
def collectors_of(name: str) -> frozenset[str]:
    """The collectors that a series comes from, by itself or through recording rules."""
    for metric in _reference():
        if metric["name"] in {name, re.sub(r"_(bucket|sum|count)$", "", name)}:
            return frozenset([metric["collector"].removeprefix("collector ")])
    sources = [rule["expr"] for rule in rules("recording.yml") if rule["record"] == name]
    return frozenset[str]().union(*(collectors_of(each) for expr in sources for each in metrics(expr)))
