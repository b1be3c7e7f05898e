"""The ledger with which `run` goes on: exactly the runs that the files hold, and what is still to be counted. Pure.

`run` reads a workflow from its `floor` on at first, and counts what is not remembered: runs that Insights had not
listed, or that had not ended. So all that was counted and created since the floor is remembered by its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from exporter.config import Project
from exporter.counting.cells import Cells
from exporter.counting.ledger import Ledger, WorkflowLedger
from exporter.history.growth import Growth
from exporter.history.spool import Known
from exporter.insights.collectors import PIPELINES

LATEST = 3 * 86_400.0
"""Seconds by which Insights may list a run late, with room: it takes up to a day."""


def of_workflow(grown: WorkflowLedger, growth: Growth, *, start: int, began: float, lookback: float) -> WorkflowLedger:
    """One workflow that was read from `start` on, since `began` by CircleCI's clock; all in Unix seconds."""
    newest = began if growth.newest is None else min(growth.newest, began)
    floor = max(start, int(newest - max(lookback, LATEST)))
    if growth.oldest_under_way is not None:
        floor = min(floor, growth.oldest_under_way)
    return replace(grown, since=floor, floor=floor, newest=growth.newest)


def of_project(
    project: Project, known: Known, workflows: Mapping[str, tuple[WorkflowLedger, Cells]], *, start: int
) -> Ledger:
    """One project; its first poll asks for new workflows, which count from their first run since `start`."""
    unread = {
        name: WorkflowLedger(0, baseline=True, newest=None if last is None else int(last))
        for name, last in known.names.items()
        if name not in workflows
    }
    read = {name: workflow for name, (workflow, _) in workflows.items()}
    cells = Cells.of({key: cell for _, each in workflows.values() for key, cell in each.values.items()})
    by_stop = PIPELINES in project.collectors
    return Ledger(start, 0.0, {**unread, **read}, by_stop=by_stop, cells=cells)
