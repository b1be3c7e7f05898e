"""A histogram's sample lines in both text formats, byte for byte what prometheus_client writes.

OpenMetrics may carry an exemplar behind a bucket; text 0.0.4 has no place for one. Where there is none, the lines of
both formats are the same text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from exporter.formats.exposition import label_text, number_text, number_texts

BOUND = "le"
MOST_CHARACTERS = 128
"""Of an exemplar's label names and values together (OpenMetrics 1.0, "Exemplars")."""


class Exemplar(NamedTuple):
    """One observation of a bucket: labels in alphabetical order, its value, and its time in Unix seconds."""

    labels: tuple[tuple[str, str], ...]
    value: float
    timestamp: float


class Histogram(NamedTuple):
    """What was observed of one label set.

    `counts` are the observations of each bucket alone, one more than there are `bounds`: the last is above all of
    them. `total` is the sum of the observed values. `exemplars` are those of the buckets, or empty.
    """

    bounds: tuple[float, ...]
    counts: Sequence[int]
    total: float
    exemplars: Sequence[Exemplar | None] = ()


class Lines(NamedTuple):
    """Sample lines of one family: how many, and their text in each format; the same object where nothing differs."""

    samples: int
    text: str
    openmetrics: str


def histogram_lines(family: str, names: Sequence[str], values: Sequence[str], histogram: Histogram) -> Lines:
    """Write the buckets, count and sum of one label set; `names` are in alphabetical order, `values` theirs.

    Raises ValueError where the parts of a histogram do not fit together, or an exemplar is too long.
    """
    place = bisect_left(names, BOUND)
    before, after = label_text(names[:place], values[:place]), label_text(names[place:], values[place:])
    comma = "," if before and after else ""
    start = f'{family}_bucket{{{before}{"," if before else ""}{BOUND}="'
    end = f'"{"," if after else ""}{after}}} '
    counts = number_texts(accumulate(histogram.counts))
    buckets = [f"{start}{bound}{end}{count}" for bound, count in zip(_written(histogram.bounds), counts, strict=True)]
    braces = f"{{{before}{comma}{after}}}" if names else ""
    closing = f"{family}_count{braces} {counts[-1]}\n{family}_sum{braces} {number_text(histogram.total)}\n"
    text = "\n".join((*buckets, closing))
    openmetrics = text
    if any(histogram.exemplars):
        marked = [
            bucket if exemplar is None else bucket + _behind(exemplar)
            for bucket, exemplar in zip(buckets, histogram.exemplars, strict=True)
        ]
        openmetrics = "\n".join((*marked, closing))
    return Lines(len(buckets) + 2, text, openmetrics)


def _behind(exemplar: Exemplar) -> str:
    names, values = [name for name, _ in exemplar.labels], [value for _, value in exemplar.labels]
    if sum(map(len, names)) + sum(map(len, values)) > MOST_CHARACTERS:
        raise ValueError(f"an exemplar has more than {MOST_CHARACTERS} characters")
    return f" # {{{label_text(names, values)}}} {number_text(exemplar.value)} {exemplar.timestamp}"


@lru_cache(maxsize=64)
def _written(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(number_text, bounds), "+Inf")
