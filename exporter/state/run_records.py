"""The ledger of a project's runs as it stands in columns: JSON, one document a workflow.

The keys of runs that were counted are rows of their own.
"""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any

from exporter.runs import BranchCounters, Ledger, Newest, Tally, WorkflowLedger
from exporter.state.records import text


def write_ledger(ledger: Ledger) -> str:
    """A ledger without its workflows."""
    return text(
        {
            "began": ledger.began,
            "names_at": ledger.names_at,
            "bounds": ledger.bounds,
            "invented": ledger.invented,
        }
    )


def read_ledger(written: str, workflows: dict[str, str]) -> Ledger:
    """A ledger with its workflows, by name, as they were written."""
    document = json.loads(written)
    return Ledger(
        document["began"],
        document["names_at"],
        tuple(document["bounds"]),
        {name: _read_workflow(facts) for name, facts in workflows.items()},
        tuple(document["invented"]),
    )


def write_workflow(workflow: WorkflowLedger) -> str:
    """One workflow with the counters of all its branches."""
    return text(
        {
            "since": workflow.since,
            "floor": workflow.floor,
            "baseline": workflow.baseline,
            "polled_at": workflow.polled_at,
            "swept_at": workflow.swept_at,
            "newest": workflow.newest,
            "unlisted_at": workflow.unlisted_at,
            "series": {branch: _counters(counters) for branch, counters in workflow.branches.items()},
        }
    )


def _counters(counters: BranchCounters) -> dict[str, Any]:
    return {
        "counted": _tally(counters.counted),
        "seen": counters.seen,
        "held": counters.held and _tally(counters.held),
        "fresh": counters.fresh,
        "last": counters.last and astuple(counters.last),
        "verdict": counters.verdict and astuple(counters.verdict),
    }


def _tally(tally: Tally) -> list[Any]:
    return [tally.buckets, dict(tally.runs), tally.seconds, tally.credits]


def _read_workflow(written: str) -> WorkflowLedger:
    document = json.loads(written)
    branches = {branch: _read_counters(facts) for branch, facts in document.pop("series").items()}
    return WorkflowLedger(**document, branches=branches)


def _read_counters(document: dict[str, Any]) -> BranchCounters:
    def newest(name: str) -> Newest | None:
        return Newest(*document[name]) if document[name] else None

    return BranchCounters(
        _read_tally(document["counted"]),
        document["seen"],
        _read_tally(document["held"]) if document["held"] else None,
        document["fresh"],
        newest("last"),
        newest("verdict"),
    )


def _read_tally(document: list[Any]) -> Tally:
    buckets, runs, seconds, credits_used = document
    return Tally(tuple(buckets), runs, seconds, credits_used)
