"""The ledger with which `run` goes on: exactly the runs that the files hold, and what is still to be counted. Pure.

`run` reads a workflow from its `floor` on at first, and counts what is not remembered: runs that Insights had not
listed, or that had not ended. So all that was counted and created since the floor is remembered by its key.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config import Project
from exporter.history.growth import Growth
from exporter.history.spool import Known
from exporter.insights.collectors import PIPELINES
from exporter.runs import Ledger, WorkflowLedger

LATEST = 3 * 86_400.0
"""Seconds by which Insights may list a run late, with room: it takes up to a day."""


def by_stop(project: Project) -> bool:
    """Whether a run lasts from its creation to its stop, as it does where pipelines are watched."""
    return PIPELINES in project.collectors


def of_workflow(growth: Growth, *, start: int, began: float, lookback: float) -> WorkflowLedger:
    """One workflow that was read from `start` on, since `began` by CircleCI's clock; all in Unix seconds."""
    newest = began if growth.newest is None else min(growth.newest, began)
    floor = max(start, int(newest - max(lookback, LATEST)))
    if growth.oldest_under_way is not None:
        floor = min(floor, growth.oldest_under_way)
    branches = {name: branch.counters() for name, branch in growth.branches.items()}
    return WorkflowLedger(floor, floor, newest=growth.newest, branches=branches)


def of_project(
    project: Project, known: Known, workflows: Mapping[str, WorkflowLedger], *, start: int, invented: list[str]
) -> Ledger:
    """One project; its first poll asks for new workflows, which count from their first run since `start`."""
    unread = {
        name: WorkflowLedger(0, baseline=True, newest=None if last is None else int(last))
        for name, last in known.names.items()
        if name not in workflows
    }
    return Ledger(start, 0.0, project.runs.buckets, {**unread, **workflows}, tuple(invented), by_stop=by_stop(project))
