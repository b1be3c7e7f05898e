"""How the counters of one workflow grew, from its runs in the order of their ends. Pure.

The book that `run` counts with counts here too, and holds nothing back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from exporter.config import Project
from exporter.counting.book import RunBook
from exporter.counting.cells import Key, Value, has_risen
from exporter.counting.ledger import FinishedRun, Ledger, WorkflowLedger
from exporter.history.grid import Grid
from exporter.runs.reading import Run

LATEST = 3 * 86_400.0
"""Seconds by which Insights may list a run late, with room: it takes up to a day."""
Points = Mapping[Key, list[tuple[int, Value]]]
"""What each series shows from a step on, by the steps at which it rises."""


class Growth:
    """The counters of one workflow, and the bookkeeping of what `run` has yet to count."""

    def __init__(
        self,
        name: str,
        project: Project,
        grid: Grid,
        label: Callable[[str], str],
        invented: tuple[str, ...] = (),
        *,
        limit: int = sys.maxsize,
    ) -> None:
        """`label` gives the label `branch`; `invented` are the statuses so far that no documentation knows.

        There is room for `limit` series.
        """
        self._name, self._grid = name, grid
        before = Ledger(0, 0.0, {name: WorkflowLedger(0)}, invented)
        self._book = RunBook(before, project, label, now=0.0, held_for=0.0, limit=limit)
        self._points: dict[Key, list[tuple[int, Value]]] = {}
        self._step: int | None = None
        self.newest: int | None = None
        self.oldest_under_way: int | None = None
        self.counted = 0

    def add(self, runs: Iterable[Run]) -> None:
        """Count runs, each once, in the order of their ends; those under way make their series appear at 0."""
        book, by_stop = self._book, self._book.ledger.by_stop
        for run in runs:
            branch = book.label(run.branch)
            self.newest = run.created_at if self.newest is None else max(self.newest, run.created_at)
            if run.status:
                self._reach(self._grid.at(ended_at(run)))
                book.count(self._name, branch, FinishedRun.told(run, by_stop=by_stop), "insights", credited=True)
                self.counted += 1
            else:
                book.appear(self._name, branch, run.created_at)
                if self.oldest_under_way is None or run.created_at < self.oldest_under_way:
                    self.oldest_under_way = run.created_at

    def close(self) -> tuple[Ledger, Points]:
        """What was counted, and how it grew; call it once, at the end."""
        self._reach(self._grid.last + 1)
        self._book.close()
        return self._book.ledger, self._points

    def to_go_on_from(self, *, start: int, began: float, lookback: float) -> WorkflowLedger:
        """The workflow as `run` goes on with it; it was read from `start` on, since `began` by CircleCI's clock.

        `run` reads it from its `floor` on at first, and counts what is not remembered: runs that Insights had not
        listed, or that had not ended. So all that was counted and created since the floor is remembered by its key.
        """
        newest = began if self.newest is None else min(self.newest, began)
        floor = max(start, int(newest - max(lookback, LATEST)))
        if self.oldest_under_way is not None:
            floor = min(floor, self.oldest_under_way)
        grown = self._book.ledger.workflows[self._name]
        return replace(grown, since=floor, floor=floor, newest=self.newest)

    def _reach(self, step: int) -> None:
        """Note what the counters show until the step before; nothing is noted of steps after the last."""
        if self._step is not None and self._step < step and self._step <= self._grid.last:
            for key, value in self._book.values():
                points = self._points.setdefault(key, [])
                if (points[-1][1] != value) if points else has_risen(value):
                    points.append((self._step, value))
        self._step = step


def ended_at(run: Run) -> float:
    """When a finished run ended; where CircleCI does not say, its creation and duration do."""
    return run.created + (run.duration or 0) if run.stopped_at is None else run.stopped_at
