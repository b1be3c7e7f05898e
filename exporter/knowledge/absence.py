"""Projects that CircleCI does not know: deleted, or not visible to the token. Pure.

Such a project is asked one light question, at growing gaps up to a day, until it is back.
"""

from __future__ import annotations

from dataclasses import replace

from exporter.insights.collectors import LISTING
from exporter.knowledge.snapshots import Outcome, Snapshot

LONGEST_GAP = 86_400.0


def noted(outcome: Outcome, before: Outcome | None) -> Outcome:
    """The outcome of a poll that did not find the project; `before` is that of the poll before."""
    return replace(outcome, absent_since=(before and before.absent_since) or outcome.finished_at)


def since(snapshot: Snapshot, collector: str = LISTING.name) -> float | None:
    """When a collector first did not find the project, in Unix seconds; None while it is there."""
    outcome = snapshot.outcomes.get(collector)
    return None if outcome is None else outcome.absent_since


def interval(snapshot: Snapshot, usual: float, collector: str = LISTING.name) -> float:
    """The seconds to the next poll: while a project is absent, as many as it had been absent at the newest one."""
    outcome = snapshot.outcomes.get(collector)
    if outcome is None or outcome.absent_since is None:
        return usual
    return max(usual, min(outcome.finished_at - outcome.absent_since, LONGEST_GAP))
