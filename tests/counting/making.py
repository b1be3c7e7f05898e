"""Runs and ledgers to test with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from exporter.counting import crediting
from exporter.counting.book import RunBook
from exporter.counting.cells import Distribution
from exporter.counting.ledger import Ledger, WorkflowLedger
from exporter.insights.run_families import RUN_CREDITS, RUN_DURATION, RUNS_TOTAL
from exporter.runs.branches import labels_of
from exporter.runs.reading import Run
from tests.knowledge.samples import project

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


def ledger(*, baseline: bool = False) -> Ledger:
    """A ledger with one workflow, `build`, that has not been read yet."""
    return Ledger(NOW - 3 * DAY, float(NOW), {"build": WorkflowLedger(NOW - 3 * DAY, baseline=baseline)})


def polled(
    before: Ledger, *runs: Run, at: float | None = None, swept: bool = False, label: Any = LABEL, of: Any = WEB
) -> Ledger:
    """The ledger after a poll of `build` that saw these runs anew: at first at NOW, then a minute after the last."""
    last = before.workflows["build"].polled_at
    if at is None:
        at = NOW if last is None else last + 60
    book = RunBook(before, of, label, now=at)
    crediting.add(book, "build", runs)
    book.read("build", [run.created_at for run in runs], now=at, start=int(at - LOOKBACK), swept=swept)
    book.release()
    book.close()
    return book.ledger


@dataclass
class Counted:
    """What is shown of a workflow on a branch."""

    runs: dict[str, float] = field(default_factory=dict)
    histogram: Distribution = field(default_factory=lambda: Distribution((), (0,)))
    credits: float = 0
    held: bool = False

    @property
    def buckets(self) -> tuple[int, ...]:
        return self.histogram.counts

    @property
    def seconds(self) -> float:
        return self.histogram.sum


def counted(of: Ledger, branch: str = "main", name: str = "build") -> Counted:
    """What is shown of a workflow on a branch, and whether anything is held back."""
    found = Counted()
    for key, cell in of.cells.values.items():
        if (key.labels[:1], key.labels[-1:]) == ((branch,), (name,)):
            found.held |= cell.held is not None
            match key.family:
                case RUNS_TOTAL.name:
                    assert not isinstance(cell.value, Distribution)
                    found.runs[key.labels[1]] = cell.value
                case RUN_DURATION.name:
                    assert isinstance(cell.value, Distribution)
                    found.histogram = cell.value
                case RUN_CREDITS.name:
                    assert not isinstance(cell.value, Distribution)
                    found.credits = cell.value
    return found
