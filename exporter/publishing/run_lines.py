"""The sample lines of counted runs, as prometheus_client would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.formats.histogram import Histogram, histogram_lines
from exporter.insights import run_families
from exporter.insights.questions import reachable
from exporter.publishing.live_lines import counters_expire_at, exemplars
from exporter.publishing.sections import FamilyLines, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config import Project
    from exporter.runs.ledger import BranchCounters, Ledger, WorkflowLedger
    from exporter.runs.live import Live


def expires_at(workflow: WorkflowLedger, project: Project, live: Live | None) -> float | None:
    """When a workflow's counters are too old to be shown, in Unix seconds; None while it was never read.

    Where pipelines are watched, their list tells of all workflows, once it was walked.
    """
    if live is not None and live.listed_at is not None:
        return counters_expire_at(live, project)
    return None if workflow.polled_at is None else workflow.polled_at + project.staleness("runs")


def shown(
    ledger: Ledger, project: Project, now: float, live: Live | None = None
) -> Iterator[tuple[str, WorkflowLedger]]:
    """The workflows whose counters are shown at `now`, sorted by name.

    What could not be read for too long is not shown, and comes back with its counts when it is read again.
    """
    for name, workflow in sorted(ledger.workflows.items()):
        expiry = expires_at(workflow, project, live)
        if (
            expiry is not None
            and now < expiry
            and workflow.unlisted_at is None
            and (live is not None or reachable(name))
            and project.workflows.match(name)
        ):
            yield name, workflow


def expiries(ledger: Ledger, project: Project, live: Live | None = None) -> Iterator[float]:
    """When counters become too old to be shown, in Unix seconds."""
    for workflow in ledger.workflows.values():
        expiry = expires_at(workflow, project, live)
        if expiry is not None:
            yield expiry


def counted(
    ledger: Ledger, project: Project, now: float, live: Live | None = None
) -> Mapping[tuple[str, ...], BranchCounters]:
    """The counters that are shown at `now`, by workflow and branch."""
    return {
        (name, branch): counters
        for name, workflow in shown(ledger, project, now, live)
        for branch, counters in workflow.branches.items()
    }


def row(
    project: Project, bounds: tuple[float, ...], key: tuple[str, ...], counters: BranchCounters
) -> list[FamilyLines]:
    """The lines of one workflow and branch in all families."""
    workflow, branch = key
    return [
        line
        for line in _counters(bounds, project.name, workflow, branch, counters)
        if project.metrics.match(line.family)
    ]


def _counters(
    bounds: tuple[float, ...], project: str, workflow: str, branch: str, counters: BranchCounters
) -> Iterator[FamilyLines]:
    tally, names, values = counters.counted, ("branch", "project", "workflow"), (branch, project, workflow)
    for status, count in sorted(tally.runs.items()):
        labels = branch, project, status, workflow
        yield sample(run_families.RUNS_TOTAL.name, ("branch", "project", "status", "workflow"), labels, count)
    marked = exemplars(counters.exemplars, tally.buckets) if counters.exemplars else ()
    family, histogram = run_families.RUN_DURATION.name, Histogram(bounds, tally.buckets, tally.seconds, marked)
    yield FamilyLines(family, *histogram_lines(family, names, values, histogram))
    yield sample(run_families.RUN_CREDITS.name, names, values, tally.credits)
    newest = (
        (run_families.LAST_RUN_SUCCESS, None if counters.verdict is None else counters.verdict.value),
        (run_families.LAST_RUN_DURATION, None if counters.last is None else counters.last.value),
        (run_families.LAST_RUN_TIMESTAMP, None if counters.last is None else counters.last.stopped_at),
    )
    for gauge, value in newest:
        if value is not None:
            yield sample(gauge.name, names, values, value)
