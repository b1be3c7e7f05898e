"""What Prometheus makes of the scrapes of a night: which alerts about the exporter fire, by the shipped rules."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

from tests.campaigns.outages.night import EVERY, NOON
from tests.deploy.exporter_metrics import documents, rules
from tests.deploy.promql import metrics
from tests.deploy.rules_of_cases import write_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.campaigns.outages.night import Look

TARGET = 'job="circleci-insights-exporter",instance="a:10115"'
NEVER = [{"labels": '{alertname="never"}', "value": 1}]
FOUND = re.compile(r"time: (?:(\d+)h)?(?:(\d+)m)?(?:0s)?,\n\s*exp: .*\n\s*got: (.*)")


def _series(looks: Sequence[Look], used: set[str]) -> list[dict[str, str]]:
    """Each series that a rule reads, with its values as promtool writes them; its clock begins at 0."""
    names = dict.fromkeys(series for look in looks for series in look.samples if series.partition("{")[0] in used)
    made = [{"series": f"up{{{TARGET}}}", "values": f"1x{len(looks)}"}]
    for series in names:
        name, _, labels = series.partition("{")
        began = NOON if name.endswith("_timestamp_seconds") else 0.0
        values = (look.samples.get(series) for look in looks)
        text = " ".join("stale" if value is None else repr(value - began) for value in values)
        made.append({"series": f"{name}{{{labels[:-1] + ',' if labels else ''}{TARGET}}}", "values": f"_ {text}"})
    return made


def firing(promtool: Path, folder: Path, looks: Sequence[Look]) -> list[set[str]]:
    """The names of the alerts that fire at each full minute; the first look is that of the first half a minute.

    promtool says what it found where something else was expected, so what never is is expected each time.
    """
    about = [rule["alert"] for rule in rules("alerts.yml") if rule["labels"].get("component") == "exporter"]
    files = write_rules(folder, " ".join(about))
    groups = [group for name in files for group in documents(folder / name)["groups"]]
    used = set[str]().union(*(metrics(rule["expr"]) for group in groups for rule in group["rules"]))
    minutes = int(looks[-1].minute)
    expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
    tests = [{"expr": expression, "eval_time": f"{each}m", "exp_samples": NEVER} for each in range(minutes + 1)]
    cases = {
        "rule_files": files,
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [{"interval": f"{EVERY:.0f}s", "input_series": _series(looks, used), "promql_expr_test": tests}],
    }
    file = folder / "night.json"
    file.write_text(json.dumps(cases), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], check=False, capture_output=True, text=True)
    found = FOUND.findall(done.stdout + done.stderr)
    assert [60 * int(hours or 0) + int(rest or 0) for hours, rest, _ in found] == [*range(minutes + 1)], done.stderr
    return [set(re.findall(r'alertname="(\w+)"', got)) for _, _, got in found]
