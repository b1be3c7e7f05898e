"""Runs and ledgers to test with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from exporter.runs import Ledger, Run, WorkflowLedger, fold, labels_of
from tests.samples import project

DAY = 86_400
NOW = 1_790_000_000
BOUNDS = (60.0, 600.0)
LOOKBACK = 3.0 * DAY
WEB = project("runs: {buckets: [60s, 600s]}\nbranches: [develop, 'release/*']")
LABEL = labels_of(WEB, "main")


def written(moment: float) -> str:
    """A time as CircleCI writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row(**changes: Any) -> dict[str, Any]:
    """A row of `GET /insights/{slug}/workflows/{workflow}`."""
    return {
        "id": "0b1b6a2f-3a60-4a0e-9d4b-2f3f6f0a7d11",
        "branch": "main",
        "duration": 61,
        "created_at": written(NOW),
        "stopped_at": written(NOW + 62),
        "credits_used": 24,
        "status": "success",
        "is_approval": False,
    } | changes


def run(key: int, status: str = "success", branch: str = "main", **changes: Any) -> Run:
    """A run that was created `key` seconds after NOW and took 30 seconds."""
    known: dict[str, Any] = {"created_at": NOW + key}
    if status:
        known |= {"stopped_at": NOW + key + 31.0, "duration": 30, "credits": 5}
    return Run(key, branch, status=status, **(known | changes))


def ledger(*, baseline: bool = False, bounds: tuple[float, ...] = BOUNDS) -> Ledger:
    """A ledger with one workflow, `build`, that has not been read yet."""
    return Ledger(NOW - 3 * DAY, float(NOW), bounds, {"build": WorkflowLedger(NOW - 3 * DAY, baseline=baseline)})


def polled(before: Ledger, *runs: Run, at: float = NOW, swept: bool = False, label: Any = LABEL) -> Ledger:
    """The ledger after a poll of `build` that saw these runs anew."""
    start = int(at - LOOKBACK)
    return fold(before, "build", runs, label, now=at, start=start, lookback=LOOKBACK, swept=swept)
