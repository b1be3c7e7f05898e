"""The sample lines of the past: those of `run`, each with a time and with labels of the scrape. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exporter.counting.cells import Value, zero_of
from exporter.history.grid import Grid, Span
from exporter.insights import run_families
from exporter.insights.family import Family
from exporter.publishing.counted_lines import line

FAMILIES = tuple(each for each in run_families.RUNS if each in run_families.COUNTED)
OWN_LABELS = ("branch", "le", "project", "status", "workflow")
"""The labels of these families; those of the scrape have other names."""


class Lines:
    """Writes lines. `more` are the labels of the scrape, and the project's."""

    def __init__(self, more: Mapping[str, str], grid: Grid, spans: Sequence[Span]) -> None:
        self._more, self._grid, self._spans, self._times = more, grid, spans, grid.times()

    def of(
        self,
        family: Family,
        own: Sequence[str],
        points: Sequence[tuple[int, Value]],
        value: Value,
        last: int,
    ) -> Iterator[tuple[int, str]]:
        """The lines of a series or histogram up to a step: the number of the span, and the text.

        `points` are what it shows from which steps on, `value` what it shows at last. The lines of a series are in the
        order of time; those of a histogram begin together, since a quantile needs all buckets.
        """
        labels = {**self._more, **dict(zip(family.own, own, strict=True))}
        stretches = _stretches(points, zero_of(value), last)
        for number, span in enumerate(self._spans):
            pieces = []
            for first, end, reached in _within(stretches, span):
                heads = line(family, labels, reached).text.split("\n")
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
