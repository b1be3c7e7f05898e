"""What is asked next of a project's runs, and from when on. Times are Unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.config import Project
from exporter.counting.ledger import FURTHEST, Ledger, WorkflowLedger
from exporter.insights.questions import ALL_BRANCHES, Question, reachable, scoped

NAMES_EVERY = 3600.0


def listing(slug: str) -> Question:
    """Asks for the names of all workflows: also of those that run on no default branch."""
    params = (*scoped(ALL_BRANCHES), ("reporting-window", "last-90-days"))
    return Question("runs", "/insights/{slug}/workflows", slug, "", params)


def recent(slug: str, workflow: str, start: int) -> Question:
    """Asks for the runs created since, newest first."""
    since = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    params = (*scoped(ALL_BRANCHES), ("start-date", since))
    return Question("runs", "/insights/{slug}/workflows/{workflow}", slug, workflow, params)


def due_names(ledger: Ledger, project: Project, now: float) -> bool:
    """Whether the workflows' names are asked for again; while there is no workflow there is nothing else to ask."""
    return not wanted(ledger, project) or not 0 <= now - ledger.names_at < NAMES_EVERY


def wanted(ledger: Ledger, project: Project) -> list[str]:
    """The workflows whose runs are asked for, sorted."""
    return sorted(
        name
        for name, workflow in ledger.workflows.items()
        if workflow.unlisted_at is None and reachable(name) and project.workflows.match(name)
    )


def start_of(workflow: WorkflowLedger, now: float, lookback: float) -> int:
    """From which creation on a workflow's runs are read.

    That is the last committed poll less the lookback, however long ago it was, so that a downtime loses
    nothing. Where CircleCI's newest run is older than that poll it is that run less the lookback: no run
    can be missed then even if the clocks of the two machines differ by more than the lookback.
    """
    if workflow.baseline or workflow.polled_at is not None:
        last = now if workflow.polled_at is None else min(workflow.polled_at, now)
        if workflow.newest is not None:
            last = min(last, workflow.newest)
        start = max(workflow.since, workflow.floor, last - lookback)
    else:
        start = workflow.since
    return int(max(start, now - FURTHEST, 0))


def sweep_is_due(workflow: WorkflowLedger, now: float, sweep: float) -> bool:
    """Whether the whole lookback is read, known runs or not."""
    return workflow.swept_at is None or not 0 <= now - workflow.swept_at < sweep
