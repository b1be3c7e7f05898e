"""Cases for promtool, each with the rules that it is about: promtool evaluates each rule at each step."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from tests.deploy.exporter_metrics import RULES, documents
from tests.deploy.promql import metrics

if TYPE_CHECKING:
    from pathlib import Path


@cache
def _files() -> dict[str, dict[str, Any]]:
    return {path.name: documents(path) for path in sorted(RULES.glob("*.yml"))}


@cache
def _made_from() -> dict[str, set[str]]:
    """Of each alert and recorded series what it is made from."""
    every = [rule for document in _files().values() for group in document["groups"] for rule in group["rules"]]
    return {_name(rule): set(metrics(rule["expr"])) for rule in every}


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def _needed(cases: str) -> set[str]:
    """The names of the alerts and recorded series in a text of cases, and of what they are made from."""
    made_from = _made_from()
    names = set(re.findall(r"[\w:]+", cases)) & made_from.keys()
    found: set[str] = set()
    while names:
        found |= names
        names = set[str]().union(*(made_from[name] for name in names)) & made_from.keys() - found
    return found


def read(path: Path) -> dict[str, Any]:
    """A file of cases as promtool reads it: to YAML 1.1, values such as 0x60 would be numbers."""
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader)  # noqa: S506 -- safe: only strings
    return found


def write_rules(folder: Path, cases: str, *, twice: bool = False) -> list[str]:
    """Write the rules that these cases need; a group that has none stays, since the cases name the order of groups.

    With `twice`, everything that is recorded has a second series.

    Returns:
        The names of the files.
    """
    names = _needed(cases)
    for file, document in copy.deepcopy(_files()).items():
        for group in document["groups"]:
            kept = [rule for rule in group["rules"] if _name(rule) in names]
            recorded = [rule for rule in kept if twice and "record" in rule]
            seconds = [rule | {"labels": {**rule.get("labels", {}), "replica": "second"}} for rule in recorded]
            group["rules"] = kept + seconds
        (folder / file).write_text(json.dumps(document), encoding="utf-8")  # which is YAML too
    return [*_files()]


def run(
    promtool: Path, folder: Path, cases: Path, tests: list[dict[str, Any]], *, every: str = "", twice: bool = False
) -> None:
    """Let promtool run these tests by the head of a file of cases, each with its own rules; all must hold."""
    head = {key: value for key, value in read(cases).items() if key not in {"rule_files", "tests"}}
    if every:
        head["evaluation_interval"] = every
    files = []
    for number, test in enumerate(tests):
        for sample in [each for asked in test.get("promql_expr_test", ()) for each in asked["exp_samples"]]:
            sample["value"] = float(sample["value"])
        own = folder / str(number)
        own.mkdir()
        rules = write_rules(own, json.dumps(test), twice=twice)
        files.append(own / "tests.yml")
        files[-1].write_text(json.dumps({**head, "rule_files": rules, "tests": [test]}), encoding="utf-8")
    assert files
    done = subprocess.run([promtool, "test", "rules", *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
