"""Which workflow runs failed in a row, and since when. Pure. Times are Unix seconds.

A row has one verdict for each run that succeeded or failed, in the order of their pipelines' creations. Of a pipeline
its newest verdict holds. What is behind some pipelines that succeeded is forgotten: it matters no more, unless all of
these are run again and fail.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 1000
"""How many verdicts a row has at the most."""
SUCCESSES_KEPT = 5
"""Pipelines that succeeded behind which nothing is kept."""


class Verdict(NamedTuple):
    """How one run ended.

    `pipeline` is the creation of its pipeline and its id, or where that is not known of the run itself.
    """

    pipeline: tuple[float, str]
    created_at: float
    id: str
    failed: bool
    stopped_at: float


Row = tuple[Verdict, ...]


class Red(NamedTuple):
    """How many pipelines failed in a row up to the newest, when the first of these runs stopped, and its id."""

    failures: int
    since: float | None = None
    run: str = ""


GREEN = Red(0)


def judged(row: Row, verdict: Verdict) -> Row:
    """The row with one more verdict, once."""
    if any(each.id == verdict.id for each in row):
        return row
    after = _cut(sorted((*row, verdict)))
    return row if after == row else after


def of(row: Row) -> Red:
    """What the row says now."""
    found = GREEN
    for _, runs in _newest_first(row):
        last = len(runs) - 1
        if not runs[last].failed:
            break
        while last and runs[last - 1].failed:  # the attempts before it that failed as well
            last -= 1
        found = Red(found.failures + 1, runs[last].stopped_at, runs[last].id)
    return found


def _cut(row: list[Verdict]) -> Row:
    """The row without what matters no more. However long it is, the failure since when it is red stays."""
    kept: list[Verdict] = []
    successes = 0
    for _, runs in _newest_first(row):
        kept = [*runs, *kept]
        successes += not runs[-1].failed
        if successes == SUCCESSES_KEPT:
            break
    if len(kept) <= MOST:
        return tuple(kept)
    newest = kept[1 - MOST :]
    first = [each for each in kept[: 1 - MOST] if each.id == of(tuple(kept)).run]
    return (*first, *newest)


def _newest_first(row: Iterable[Verdict]) -> list[tuple[tuple[float, str], list[Verdict]]]:
    return [(pipeline, list(runs)) for pipeline, runs in groupby(row, key=lambda each: each.pipeline)][::-1]
