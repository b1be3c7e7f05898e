"""Counters and histograms that only grow, each shown at 0 for a while before it rises. Pure.

Prometheus sees no increase in a series that is born at 1, so what comes too early is held back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple


class Key(NamedTuple):
    """One series, or one histogram: its family, and the values of its own labels in the family's order."""

    family: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The run that stands for a bucket: its workflow's id, what was observed, and its stop in Unix seconds."""

    workflow_id: str
    value: float
    stopped_at: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram. `counts` holds the observations of each bucket alone, the last above all bounds.

    `exemplars` has, for each bucket, the run with the greatest stop; it is empty where there are none.
    """

    counts: tuple[int, ...]
    sum: float = 0.0
    exemplars: tuple[Exemplar | None, ...] = ()

    def observed(self, bounds: tuple[float, ...], value: float, exemplar: Exemplar | None = None) -> Distribution:
        bucket = bisect_left(bounds, value)
        counts = (*self.counts[:bucket], self.counts[bucket] + 1, *self.counts[bucket + 1 :])
        exemplars = newest_exemplars(self.exemplars, bucket, len(counts), exemplar)
        return Distribution(counts, round(self.sum + value, 6), exemplars)

    def __add__(self, other: Distribution) -> Distribution:
        exemplars = self.exemplars
        for bucket, exemplar in enumerate(other.exemplars):
            exemplars = newest_exemplars(exemplars, bucket, len(self.counts), exemplar)
        return Distribution(
            tuple(map(int.__add__, self.counts, other.counts)), round(self.sum + other.sum, 6), exemplars
        )


def newest_exemplars(
    exemplars: tuple[Exemplar | None, ...], bucket: int, size: int, exemplar: Exemplar | None
) -> tuple[Exemplar | None, ...]:
    """The exemplars of a histogram after one more run fell into a bucket: the one with the greatest stop stays."""
    if exemplar is None:
        return exemplars
    held = list(exemplars) or [None] * size
    old = held[bucket]
    if old is None or (exemplar.stopped_at, exemplar.value) > (old.stopped_at, old.value):
        held[bucket] = exemplar
    return tuple(held)


def empty(bounds: tuple[float, ...]) -> Distribution:
    """A histogram without observations."""
    return Distribution((0,) * (len(bounds) + 1))


Value = float | Distribution


@dataclass(frozen=True, slots=True)
class Cell:
    """A counter or histogram as it is shown, since when it is, when it last grew, and what is held back."""

    value: Value
    born: float
    grown_at: float
    held: Value | None = None


class Growth:
    """Changes to a set of cells at one moment; `changed` holds the new ones."""

    def __init__(self, cells: Mapping[Key, Cell], held: Iterable[Key], now: float, hold: float) -> None:
        """`hold` is for how many seconds a series is shown at 0; `held` are the keys that hold something back."""
        self._cells, self._now, self._hold = cells, now, hold
        self._held = set(held)
        self.changed: dict[Key, Cell] = {}

    @property
    def held(self) -> frozenset[Key]:
        return frozenset(self._held)

    def show(self, key: Key, zero: Value = 0.0) -> Cell:
        """Make a series appear at 0, unless it is there."""
        cell = self.changed.get(key) or self._cells.get(key)
        if cell is None:
            cell = self.changed[key] = Cell(zero, self._now, self._now)
        return cell

    def add(self, key: Key, amount: float) -> None:
        cell = self.show(key)
        self._grow(key, cell, amount)

    def observe(self, key: Key, bounds: tuple[float, ...], value: float, exemplar: Exemplar | None = None) -> None:
        cell = self.show(key, empty(bounds))
        self._grow(key, cell, empty(bounds).observed(bounds, value, exemplar))

    def release(self) -> None:
        """Show what was held back for long enough."""
        for key in sorted(self._held):
            cell = self.changed.get(key) or self._cells.get(key)
            if cell is None or cell.held is None:
                self._held.discard(key)
            elif not self._young(cell):
                self.changed[key] = replace(cell, value=_sum(cell.value, cell.held), held=None)
                self._held.discard(key)

    def _grow(self, key: Key, cell: Cell, amount: Value) -> None:
        if cell.held is not None or self._young(cell):
            held = amount if cell.held is None else _sum(cell.held, amount)
            self.changed[key] = replace(cell, held=held, grown_at=self._now)
            self._held.add(key)
        else:
            self.changed[key] = replace(cell, value=_sum(cell.value, amount), grown_at=self._now)

    def _young(self, cell: Cell) -> bool:
        return 0 <= self._now - cell.born < self._hold


def _sum(one: Value, other: Value) -> Value:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        return one + other
    if isinstance(one, Distribution) or isinstance(other, Distribution):
        raise TypeError("a counter and a histogram have one key")
    total = one + other
    return total if isinstance(total, int) else round(total, 6)
