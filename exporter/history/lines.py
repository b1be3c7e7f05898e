"""The sample lines of the past: those of `run`, each with a time and with labels of the scrape. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from exporter.config import Project
from exporter.formats.exposition import sample_line
from exporter.formats.histogram import Histogram, histogram_lines
from exporter.history.grid import Grid, Span
from exporter.history.growth import Branch, Point
from exporter.insights import run_families
from exporter.insights.family import Family
from exporter.runs.ledger import NO_RUNS, Number, Tally

Value = TypeVar("Value")
FAMILIES = (run_families.RUNS_TOTAL, run_families.RUN_DURATION, run_families.RUN_CREDITS)
OWN_LABELS = ("branch", "le", "project", "status", "workflow")
"""The labels of these families; those of the scrape have other names."""


class Lines:
    """Writes the lines of one project. `more` are the labels of the scrape."""

    def __init__(self, project: Project, more: Mapping[str, str], grid: Grid) -> None:
        """`project` has its label as its name."""
        self._labels, self._bounds = {**more, "project": project.name}, project.runs.buckets
        self._shown = [project.metrics.match(family.name) for family in FAMILIES]
        self._grid, self._times = grid, grid.times()

    def of(
        self, workflow: str, name: str, branch: Branch, spans: Sequence[Span], last: int
    ) -> Iterator[tuple[int, int, str]]:
        """The lines of one workflow on one branch up to a step: the number of the family, that of the span, the text.

        Within a family and a span, the lines of a series are in the order of time.
        """
        labels = {**self._labels, "branch": name, "workflow": workflow}
        runs, duration, credits_used = self._shown
        if runs:
            for status in sorted({**NO_RUNS, **branch.runs}):
                counts = [(step, count) for step, tally in branch.points if (count := tally.runs.get(status, 0))]
                series = run_families.RUNS_TOTAL, {**labels, "status": status}
                yield from ((0, *each) for each in self._counter(*series, counts, spans, last))
        if duration:
            yield from ((1, *each) for each in self._histogram(labels, branch.points, spans, last))
        if credits_used:
            sums = [(step, tally.credits) for step, tally in branch.points]
            yield from ((2, *each) for each in self._counter(run_families.RUN_CREDITS, labels, sums, spans, last))

    def _counter(
        self,
        family: Family,
        labels: Mapping[str, str],
        rises: Iterable[tuple[int, Number]],
        spans: Sequence[Span],
        last: int,
    ) -> Iterator[tuple[int, str]]:
        names = sorted(labels)
        values = [labels[name] for name in names]
        stretches = _stretches([*rises], 0, last)
        for number, span in enumerate(spans):
            pieces = []
            for first, end, reached in _within(stretches, span):
                head = sample_line(family.name, names, values, reached).replace("\n", " ")
                times = self._times[first - self._grid.first : end - self._grid.first]
                pieces.append(head + f"\n{head}".join(times) + "\n")
            yield number, "".join(pieces)

    def _histogram(
        self, labels: Mapping[str, str], points: Sequence[Point], spans: Sequence[Span], last: int
    ) -> Iterator[tuple[int, str]]:
        """The series of a histogram begin together: a quantile needs all buckets."""
        names = sorted(labels)
        values = [labels[name] for name in names]
        nothing = Tally((0,) * (len(self._bounds) + 1))
        rises = [(point.step, point.tally) for point in points if any(point.tally.buckets)]
        stretches = _stretches(rises, nothing, last)
        for number, span in enumerate(spans):
            pieces = []
            for first, end, tally in _within(stretches, span):
                histogram = Histogram(self._bounds, tally.buckets, tally.seconds)
                heads = histogram_lines(run_families.RUN_DURATION.name, names, values, histogram).text.split("\n")
                times = self._times[first - self._grid.first : end - self._grid.first]
                pieces += [f" {time}\n".join(heads) for time in times]
            yield number, "".join(pieces)


def _stretches(rises: Sequence[tuple[int, Value]], zero: Value, last: int) -> list[tuple[int, int, Value]]:
    """Of each value from which step to before which it holds: 0 on one step, then all up to the last.

    A series that does not rise until the last step has its 0 there: it may rise before the first scrape.
    """
    if not rises:
        return [(last, last + 1, zero)]
    ends = [*(step for step, _ in rises[1:]), last + 1]
    first = rises[0][0]
    return [(first - 1, first, zero), *((step, end, value) for (step, value), end in zip(rises, ends, strict=True))]


def _within(stretches: Sequence[tuple[int, int, Value]], span: Span) -> Iterator[tuple[int, int, Value]]:
    for first, end, value in stretches:
        if first < span.end and end > span.first:
            yield max(first, span.first), min(end, span.end), value
