"""What a poll for pipelines begins with, at its first look. Pure."""

from __future__ import annotations

from exporter.counting.ledger import Ledger, begun
from exporter.runs.live import Live


def first_look(ledger: Ledger | None, lookback: float, *, date: float, now: float) -> tuple[Ledger, Live]:
    """Both at the first look, at `date` by CircleCI's clock and `now` by this machine's; what `ledger` counts goes on.

    A ledger whose workflows `run` has never asked for comes from a backfill: what it does not hold is still to count,
    tags included, which Insights does not know.
    """
    if ledger is not None and not ledger.names_at:
        return ledger, Live(ledger.began, fresh=False)
    return ledger or begun(date, lookback), Live(date, fresh=ledger is None, began_at=now)
