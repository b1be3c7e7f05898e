"""The ledger of a project's runs as it stands in columns: JSON, one document a workflow.

The keys of runs that were counted are rows of their own.
"""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any

from exporter.runs import Ledger, Newest, Series, Tally, Workflow
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


def write_workflow(workflow: Workflow) -> str:
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
            "series": {branch: _series(series) for branch, series in workflow.series.items()},
        }
    )


def _series(series: Series) -> dict[str, Any]:
    return {
        "counted": _tally(series.counted),
        "seen": series.seen,
        "held": series.held and _tally(series.held),
        "fresh": series.fresh,
        "last": series.last and astuple(series.last),
        "verdict": series.verdict and astuple(series.verdict),
    }


def _tally(tally: Tally) -> list[Any]:
    return [tally.buckets, dict(tally.runs), tally.seconds, tally.credits]


def _read_workflow(written: str) -> Workflow:
    document = json.loads(written)
    series = {branch: _read_series(facts) for branch, facts in document.pop("series").items()}
    return Workflow(**document, series=series)


def _read_series(document: dict[str, Any]) -> Series:
    def newest(name: str) -> Newest | None:
        return Newest(*document[name]) if document[name] else None

    return Series(
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
