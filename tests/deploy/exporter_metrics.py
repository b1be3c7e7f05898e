"""The metrics that the exporter says it has, and those that the recording rules add."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
# What Prometheus adds to each series of a target, and what a histogram and project_info may have besides.
ANYWHERE = {"job", "instance", "namespace", "pod"}
TEAM = "team"


def documents(path: Path) -> Any:
    """The one document of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(name: str) -> list[dict[str, Any]]:
    """All rules of a file of rules, in their order."""
    return [rule for group in documents(RULES / name)["groups"] for rule in group["rules"]]


@cache
def exposed() -> dict[str, frozenset[str]]:
    """Labels by the name of each series that the exporter can expose, by its own reference."""
    command = [sys.executable, "-m", "exporter", "metrics", "--format", "json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    labels: dict[str, frozenset[str]] = {}
    for metric in listed:
        names = frozenset(metric["labels"])
        if metric["type"] == "histogram":
            labels |= {f"{metric['name']}_bucket": names | {"le"}, f"{metric['name']}_sum": names}
            labels[f"{metric['name']}_count"] = names
        else:
            labels[metric["name"]] = names
    labels["circleci_insights_project_info"] |= {TEAM}
    return labels


@cache
def recorded() -> frozenset[str]:
    """The names of all recorded series."""
    return frozenset(rule["record"] for name in ("thresholds.yml", "recording.yml") for rule in rules(name))
