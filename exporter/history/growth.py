"""How the counters of one workflow grew, from its runs in the order of their ends. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.history.grid import Grid
from exporter.runs import Run
from exporter.runs.branch_counters import FinishedRun
from exporter.runs.folding import VERDICTS, Sums, known_status
from exporter.runs.ledger import NO_RUNS, BranchCounters, Newest, Number, Tally


class Point(NamedTuple):
    """What counters show from a step on."""

    step: int
    tally: Tally


@dataclass(slots=True)
class Branch(Sums):
    """The counters of one branch while runs are added. `points` are the steps at which they rise, up to the last."""

    runs: dict[str, int] = field(default_factory=lambda: dict(NO_RUNS))
    seen: int = 0
    last: Newest | None = None
    verdict: Newest | None = None
    points: list[Point] = field(default_factory=list)
    step: int | None = None

    def reach(self, step: int, last: int) -> None:
        """Note what the counters show until the step before; nothing is noted of steps after the last."""
        if self.step is not None and self.step < step and self.step <= last:
            self.points.append(Point(self.step, self.tally()))
        self.step = step

    def counters(self) -> BranchCounters:
        return BranchCounters(self.tally(), self.seen, last=self.last, verdict=self.verdict)


class Growth:
    """The counters of one workflow by branch, and the bookkeeping of what `run` has yet to count."""

    def __init__(
        self, bounds: tuple[float, ...], grid: Grid, label: Callable[[str], str], invented: list[str], *, by_stop: bool
    ) -> None:
        """`label` gives the label `branch`; `invented` grows with statuses that no documentation knows.

        With `by_stop` a run lasted from its creation to its stop, else as long as Insights says.
        """
        self._bounds, self._grid, self._label = bounds, grid, label
        self._invented, self._by_stop = invented, by_stop
        self.branches: dict[str, Branch] = {}
        self.newest: int | None = None
        self.oldest_under_way: int | None = None

    def add(self, runs: Iterable[Run]) -> None:
        """Count runs, each once, in the order of their ends; those under way make their series appear at 0."""
        for run in runs:
            name = self._label(run.branch)
            branch = self.branches.get(name)
            if branch is None:
                branch = self.branches[name] = Branch([0] * (len(self._bounds) + 1))
            branch.seen = max(branch.seen, run.created_at)
            self.newest = run.created_at if self.newest is None else max(self.newest, run.created_at)
            if run.status:
                branch.reach(self._grid.at(ended_at(run)), self._grid.last)
                self._count(branch, run)
            elif self.oldest_under_way is None or run.created_at < self.oldest_under_way:
                self.oldest_under_way = run.created_at

    def close(self) -> Mapping[str, Branch]:
        """All branches, with their last points; call it once, at the end."""
        for branch in self.branches.values():
            branch.reach(self._grid.last + 1, self._grid.last)
        return self.branches

    def _count(self, branch: Branch, run: Run) -> None:
        status = known_status(run.status, self._invented)
        branch.runs[status] = branch.runs.get(status, 0) + 1
        branch.credits += run.credits
        duration = self._duration(run)
        if duration is not None:
            branch.buckets[bisect_left(self._bounds, duration)] += 1
            total = branch.seconds + duration
            branch.seconds = round(total, 6) if self._by_stop else total
        if run.stopped_at is None:
            return
        shown = duration if self._by_stop else run.duration
        newest = Newest(run.stopped_at, run.created_at, run.key, shown)
        if newest.after(branch.last):
            branch.last = newest
        if run.status in VERDICTS and newest.after(branch.verdict):
            branch.verdict = replace(newest, value=VERDICTS[run.status])

    def _duration(self, run: Run) -> Number | None:
        if self._by_stop:
            return FinishedRun(run.key, run.status, run.created, run.stopped_at).duration
        return None if run.approval else run.duration


def ended_at(run: Run) -> float:
    """When a finished run ended; where CircleCI does not say, its creation and duration do."""
    return run.created + (run.duration or 0) if run.stopped_at is None else run.stopped_at
