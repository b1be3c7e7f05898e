"""The sample lines of counted runs, as prometheus_client would write them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from exporter.formats.exposition import label_text, number_text, sample_line
from exporter.insights import families
from exporter.insights.questions import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config import Project
    from exporter.runs.ledger import BranchCounters, Ledger, WorkflowLedger


def expires_at(workflow: WorkflowLedger, project: Project) -> float | None:
    """When a workflow's counters are too old to be shown, in Unix seconds; None while it was never read."""
    return None if workflow.polled_at is None else workflow.polled_at + project.staleness("runs")


def shown(ledger: Ledger, project: Project, now: float) -> Iterator[tuple[str, WorkflowLedger]]:
    """The workflows whose counters are shown at `now`, sorted by name.

    What could not be read for too long is not shown, and comes back with its counts when it is read again.
    """
    for name, workflow in sorted(ledger.workflows.items()):
        expiry = expires_at(workflow, project)
        if (
            expiry is not None
            and now < expiry
            and workflow.unlisted_at is None
            and reachable(name)
            and project.workflows.match(name)
        ):
            yield name, workflow


def expiries(ledger: Ledger, project: Project) -> Iterator[float]:
    """When counters become too old to be shown, in Unix seconds."""
    for workflow in ledger.workflows.values():
        expiry = expires_at(workflow, project)
        if expiry is not None:
            yield expiry


def lines(ledger: Ledger, project: Project, now: float) -> Iterator[list[tuple[str, str]]]:
    """For each workflow and branch, sorted, its sample lines with the names of their families."""
    for name, workflow in shown(ledger, project, now):
        for branch, counters in sorted(workflow.branches.items()):
            yield [
                line
                for line in _counters(ledger, project.name, name, branch, counters)
                if project.metrics.match(line[0])
            ]


def _counters(
    ledger: Ledger, project: str, workflow: str, branch: str, counters: BranchCounters
) -> Iterator[tuple[str, str]]:
    tally = counters.counted
    plain = label_text(("branch", "project", "workflow"), (branch, project, workflow))
    for status, count in sorted(tally.runs.items()):
        labels = label_text(("branch", "project", "status", "workflow"), (branch, project, status, workflow))
        yield _line(families.RUNS_TOTAL.name, labels, count)
    family = families.RUN_DURATION.name
    bounds = (*map(number_text, ledger.bounds), "+Inf")
    count = 0
    for bound, count in zip(bounds, accumulate(tally.buckets), strict=True):
        labels = label_text(("branch", "le", "project", "workflow"), (branch, bound, project, workflow))
        yield family, sample_line(f"{family}_bucket", labels, count)
    yield family, sample_line(f"{family}_count", plain, count)
    yield family, sample_line(f"{family}_sum", plain, tally.seconds)
    yield _line(families.RUN_CREDITS.name, plain, tally.credits)
    newest = (
        (families.LAST_RUN_SUCCESS.name, None if counters.verdict is None else counters.verdict.value),
        (families.LAST_RUN_DURATION.name, None if counters.last is None else counters.last.value),
        (families.LAST_RUN_TIMESTAMP.name, None if counters.last is None else counters.last.stopped_at),
    )
    for name, value in newest:
        if value is not None:
            yield _line(name, plain, value)


def _line(family: str, labels: str, value: float) -> tuple[str, str]:
    return family, sample_line(family, labels, value)
