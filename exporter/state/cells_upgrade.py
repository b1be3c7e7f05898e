"""From what counters were written as to cells: steps of an upgrade.

The documents were read by the names of their fields; the first version wrote lists instead. What is damaged stays as it
is: it is found when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from exporter.insights import run_families
from exporter.state.database import Connection, single
from exporter.state.documents import document, parse, sealed, unsealed

_LISTS = {
    "counted": ("buckets", "runs", "seconds", "credits"),
    "held": ("buckets", "runs", "seconds", "credits"),
    "last": ("stopped_at", "created_at", "key", "value"),
    "verdict": ("stopped_at", "created_at", "key", "value"),
}
"""What the first version wrote as lists."""
_INSERT = "INSERT INTO cell (project, family, labels, facts) VALUES (?, ?, ?, ?)"
_INSERT_USAGE = "INSERT INTO organization_cell (organization, family, labels, facts) VALUES (?, ?, ?, ?)"
_FIRST_DAY = date(1970, 1, 1).toordinal()
_RUNS, _DURATION, _CREDITS = (
    family.name for family in (run_families.RUNS_TOTAL, run_families.RUN_DURATION, run_families.RUN_CREDITS)
)
_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
Document = dict[str, Any]


def upgrade(connection: Connection) -> None:
    """Fill the table of cells, and leave to each workflow what is known besides its counters."""
    for project, facts in list(connection.execute("SELECT project, facts FROM ledger")):
        bounds: list[float] = []
        with suppress(*_DAMAGE):
            bounds = parse(unsealed(facts))["bounds"]
        _workflows(connection, project, bounds)
        _counters(connection, project)


def _workflows(connection: Connection, project: int, bounds: list[float]) -> None:
    rows = list(connection.execute("SELECT id, name, facts FROM workflow WHERE project = ?", (project,)))
    for number, name, facts in rows:
        with suppress(*_DAMAGE):
            workflow = parse(unsealed(facts, name))
            branches = {
                branch: _by_name(each)
                for branch, each in (workflow.pop("series", None) or workflow.get("branches", {})).items()
            }
            cells = [row for branch, each in branches.items() for row in _cells(name, branch, each, bounds)]
            workflow["branches"] = {
                branch: {field: each[field] for field in ("seen", "last", "verdict") if field in each}
                for branch, each in branches.items()
            }
            written = sealed(json.dumps(workflow, separators=(",", ":")), name)
            connection.executemany(_INSERT, [(project, *row) for row in cells])
            connection.execute("UPDATE workflow SET facts = ? WHERE id = ?", (written, number))


def _counters(connection: Connection, project: int) -> None:
    """Move what had rows of its own already; a histogram gets its buckets' bounds."""
    bounds: Document = {}
    row = single(connection.execute("SELECT facts FROM live WHERE project = ?", (project,)))
    with suppress(*_DAMAGE):
        live = parse(unsealed(row[0])) if row else {}
        bounds[run_families.JOB_RUN_DURATION.name] = live["bounds"]
        bounds[run_families.JOB_RUN_WAIT.name] = live["wait_bounds"]
    for family, labels, facts in list(
        connection.execute("SELECT family, labels, facts FROM counter WHERE project = ?", (project,))
    ):
        written = facts
        with suppress(*_DAMAGE):
            cell = parse(unsealed(facts, family, labels))
            for value in (cell["value"], cell["held"]):
                if isinstance(value, dict):
                    value["bounds"] = bounds[family]
            written = sealed(json.dumps(cell, separators=(",", ":")), family, labels)
        connection.execute(_INSERT, (project, family, labels, written))


def upgrade_usage(connection: Connection) -> None:
    """Fill the table of organizations' cells: what an export that is not shown yet added is held back."""
    for organization, slug, facts in list(connection.execute("SELECT id, slug, facts FROM usage_organization")):
        progress: Document = {}
        with suppress(*_DAMAGE):
            progress = parse(unsealed(facts, slug))
        rows = []
        select = "SELECT family, labels, facts FROM usage_cell WHERE organization = ?"
        for family, labels, written in list(connection.execute(select, (organization,))):
            row = (family, labels, written)
            with suppress(*_DAMAGE):
                row = _usage_row(family, parse(labels), parse(unsealed(written, family, labels)), progress)
            rows.append((organization, *row))
        connection.executemany(_INSERT_USAGE, rows)


def _usage_row(family: str, labels: list[str], cell: Document, progress: Document) -> tuple[str, str, str]:
    """A cell had its amounts in parts of one, and what they were before the export that changed it last."""
    before = cell["before"] if progress["held"] and cell["export"] == progress["exports"] else cell["value"]

    def value(amounts: Sequence[int]) -> object:
        *counts, total = amounts
        number = total if family == "circleci_usage_job_runs_total" else total / 1_000_000
        return {"bounds": progress["bounds"], "counts": counts, "sum": number} if counts else number

    late = [now - then for now, then in zip(cell["value"], before, strict=True)]
    grown_at = (progress["newest"] - _FIRST_DAY) * 86_400.0
    held = value(late) if any(late) else None
    return _row(family, tuple(labels), {"value": value(before), "born": 0.0, "grown_at": grown_at, "held": held})


def _by_name(counters: Document) -> Document:
    """The counters of a branch as the first version wrote them, by the names that came later."""
    return {
        name: dict(zip(_LISTS[name], value, strict=False)) if name in _LISTS and isinstance(value, list) else value
        for name, value in counters.items()
    }


def _cells(name: str, branch: str, counters: Document, bounds: list[float]) -> Iterator[tuple[str, str, str]]:
    """The rows of one workflow on one branch: family, labels, document."""
    counted, held = _tally(counters["counted"]), _tally(counters.get("held") or {"buckets": []})
    marked = counters.get("exemplars") or ()
    times = {"born": counters.get("born") or 0.0, "grown_at": counters["seen"]}
    for status in {**counted["runs"], **held["runs"]}:
        value, late = counted["runs"].get(status, 0), held["runs"].get(status)
        yield _row(_RUNS, (branch, status, name), {"value": value, **times, "held": late or None})
    histogram = {"bounds": bounds, "counts": counted["buckets"], "sum": counted["seconds"], "exemplars": marked}
    late = None
    if any(held["buckets"]):
        late = {"bounds": bounds, "counts": held["buckets"], "sum": held["seconds"], "exemplars": marked}
    yield _row(_DURATION, (branch, name), {"value": histogram, **times, "held": late})
    yield _row(_CREDITS, (branch, name), {"value": counted["credits"], **times, "held": held["credits"] or None})


def _tally(written: Mapping[str, Any]) -> Document:
    return {"runs": {}, "seconds": 0, "credits": 0, **written}


def _row(family: str, labels: tuple[str, ...], cell: Document) -> tuple[str, str, str]:
    key = document(labels)
    return family, key, sealed(document(cell), family, key)
