"""The ledger of a project's runs as it stands in columns: JSON, one document a workflow.

The keys of runs that were counted are rows of their own. What is damaged raises an exception of whatever kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from exporter.runs.ledger import Ledger, Newest, Tally, WorkflowLedger
from exporter.state.documents import Reader, document, parse

_LEDGER = Reader[Ledger](Ledger)
_WORKFLOW = Reader[WorkflowLedger](WorkflowLedger)
_POSITIONAL: dict[str, type] = {"counted": Tally, "held": Tally, "last": Newest, "verdict": Newest}
"""What the first version wrote as lists."""


def write_ledger(ledger: Ledger) -> str:
    """A ledger without its workflows."""
    return document(replace(ledger, workflows={}))


def read_ledger(written: object, workflows: Mapping[str, WorkflowLedger]) -> Ledger:
    """A ledger with its workflows, by name."""
    return replace(_LEDGER.read({"workflows": {}, **parse(written)}), workflows=workflows)


def read_workflow(written: object) -> WorkflowLedger:
    """One workflow, also as the first version wrote it."""
    found = parse(written)
    branches = found.pop("series", None)
    if branches is not None:
        found["branches"] = {branch: _named(counters) for branch, counters in branches.items()}
    return _WORKFLOW.read(found)


def fits(workflow: WorkflowLedger, ledger: Ledger) -> bool:
    """Whether its histograms have the ledger's buckets."""
    tallies = [tally for each in workflow.branches.values() for tally in (each.counted, each.held) if tally]
    return all(len(tally.buckets) == len(ledger.bounds) + 1 for tally in tallies)


def _named(counters: dict[str, Any]) -> dict[str, Any]:
    """Counters as the first version wrote them, by the names of today."""
    return {
        name: dict(zip([field.name for field in fields(_POSITIONAL[name])], value, strict=False))
        if name in _POSITIONAL and isinstance(value, list)
        else value
        for name, value in counters.items()
    }
