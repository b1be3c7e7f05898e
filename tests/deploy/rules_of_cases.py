"""The rules that a file of cases is about, and no others: promtool evaluates each rule at each step, needed or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.deploy.exporter_metrics import RULES, documents
from tests.deploy.promql import metrics

if TYPE_CHECKING:
    from pathlib import Path


def needed(cases: str) -> set[str]:
    """The names of the alerts and recorded series in a text of cases, and of what they are made from."""
    every = [rule for path in RULES.glob("*.yml") for group in documents(path)["groups"] for rule in group["rules"]]
    made_from = {rule.get("alert") or rule["record"]: metrics(rule["expr"]) for rule in every}
    names = set(re.findall(r"[\w:]+", cases)) & made_from.keys()
    found: set[str] = set()
    while names:
        found |= names
        names = set[str]().union(*(made_from[name] for name in names)) & made_from.keys() - found
    return found


def write_rules(folder: Path, cases: str) -> list[str]:
    """Write the rules that these cases need; a group that has none stays, since the cases name the order of groups.

    Returns:
        The names of the files.
    """
    names = needed(cases)
    written = []
    for path in sorted(RULES.glob("*.yml")):
        document: dict[str, Any] = documents(path)
        for group in document["groups"]:
            group["rules"] = [rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in names]
        (folder / path.name).write_text(yaml.safe_dump(document), encoding="utf-8")
        written.append(path.name)
    return written
