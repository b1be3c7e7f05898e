"""The ledger and the live side as a poll for pipelines takes them up: begun, or fitted to other settings. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from exporter.config import Project
from exporter.runs.counters import Cell, Distribution, Key, empty
from exporter.runs.counting import JOB_DURATION, JOB_WAIT
from exporter.runs.folding import rebucketed, unmeasured
from exporter.runs.ledger import ALL_TAGS, BranchCounters, Ledger, each_branch
from exporter.runs.live import Live


def begun(ledger: Ledger | None, project: Project, date: float, now: float) -> tuple[Ledger, Live]:
    """Both at the first look, at `date` by CircleCI's clock and `now` by this machine's; what `ledger` counts goes on.

    A ledger whose workflows `run` has never asked for comes from a backfill: what it does not hold is still to count,
    tags included, which Insights does not know.
    """
    bounds, waits = project.runs.buckets, project.pipelines.wait_buckets
    backfilled = ledger is not None and not ledger.names_at
    began, began_at = (ledger.began, None) if ledger is not None and backfilled else (date, now)
    live = Live(began, bounds, waits, fresh=ledger is None, began_at=began_at)
    if ledger is None:
        ledger = Ledger(int(max(date - project.runs.lookback, 0)), 0.0, bounds, {}, by_stop=True)
    return ledger, live


def fitted(
    ledger: Ledger, live: Live, project: Project, label: Callable[[str], str], now: float
) -> tuple[Ledger, Live]:
    """Both by the settings that hold now: a histogram whose buckets have changed begins at 0 again.

    A branch that `label` no longer names by itself is dropped, as it is where runs are counted without pipelines.
    """
    ledger, live = _of_named_branches(ledger, live, label)
    bounds, waits = project.runs.buckets, project.pipelines.wait_buckets
    if not ledger.by_stop:  # durations were those that Insights sends
        ledger = replace(unmeasured(ledger, bounds), by_stop=True)
    ledger = rebucketed(ledger, bounds)
    cells = dict(live.cells)
    if live.bounds != bounds:
        _begin_anew(cells, JOB_DURATION, bounds, now)
    if live.wait_bounds != waits:
        _begin_anew(cells, JOB_WAIT, waits, now)
    if (live.bounds, live.wait_bounds) != (bounds, waits):
        live = replace(live, bounds=bounds, wait_bounds=waits, cells=cells)
    return ledger, live


def shown_anew(ledger: Ledger, live: Live, now: float) -> tuple[Ledger, Live]:
    """Both after a restart: what has not risen yet is shown at 0 from now on, for as long as when it was new.

    Nobody may have seen it before: the process may have ended as soon as it was written.
    """

    def shown(_: str, counters: BranchCounters) -> BranchCounters:
        risen = counters.held is None and any(counters.counted.runs.values())
        return counters if risen else replace(counters, born=now)

    cells = {key: replace(cell, born=now) if _unrisen(cell) else cell for key, cell in live.cells.items()}
    return each_branch(ledger, shown), replace(live, cells=cells)


def _of_named_branches(ledger: Ledger, live: Live, label: Callable[[str], str]) -> tuple[Ledger, Live]:
    known = {key.labels[0] for key in live.cells}  # the first of the labels of each of their families
    known.update(*(workflow.branches for workflow in ledger.workflows.values()))
    gone = {branch for branch in known if branch != ALL_TAGS and label(branch) != branch}
    if not gone:
        return ledger, live
    ledger = each_branch(ledger, lambda branch, counters: None if branch in gone else counters)
    cells = {key: cell for key, cell in live.cells.items() if key.labels[0] not in gone}
    held = frozenset(key for key in live.held if key in cells)
    return ledger, replace(live, cells=cells, held=held)


def _unrisen(cell: Cell) -> bool:
    none = not any(cell.value.counts) if isinstance(cell.value, Distribution) else not cell.value
    return none or cell.held is not None


def _begin_anew(cells: dict[Key, Cell], family: str, bounds: tuple[float, ...], now: float) -> None:
    for key, cell in cells.items():
        if key.family == family and isinstance(cell.value, Distribution):
            cells[key] = Cell(empty(bounds), now, now)
