"""Projects that CircleCI does not know: deleted, or not visible to the token. Pure.

Such a project is asked one light question, at growing gaps up to a day, until it is back.
"""

from __future__ import annotations

from exporter.insights.collectors import LISTING
from exporter.knowledge.snapshots import Snapshot

LONGEST_GAP = 86_400.0


def since(snapshot: Snapshot) -> float | None:
    """When the project was first not found, in Unix seconds; None while it is there."""
    outcome = snapshot.outcomes.get(LISTING.name)
    return None if outcome is None else outcome.absent_since


def interval(snapshot: Snapshot, usual: float) -> float:
    """The seconds to the next poll: while a project is absent, as many as it had been absent at the newest one."""
    outcome = snapshot.outcomes.get(LISTING.name)
    if outcome is None or outcome.absent_since is None:
        return usual
    return max(usual, min(outcome.finished_at - outcome.absent_since, LONGEST_GAP))
