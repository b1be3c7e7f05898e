"""Counters and histograms that only grow, each shown at 0 for a while before it rises. Pure.

Prometheus sees no increase in a series that is born at 1, so what comes too early is held back. This is the one place
that decides how long: an interval, at most a minute.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

LONGEST_HOLD = 60.0
Number = int | float
"""A sum is exact for as long as what is added is whole."""


def hold_of(interval: float) -> float:
    """For how many seconds a new series is shown at 0, where something is polled at an interval."""
    return min(interval, LONGEST_HOLD)


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

    def after(self, other: Exemplar | None) -> bool:
        return other is None or (self.stopped_at, self.value) > (other.stopped_at, other.value)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram. `counts` holds the observations of each bucket alone, the last above all bounds.

    `exemplars` has, for each bucket, the run with the greatest stop; it is empty where there are none.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: Number = 0
    exemplars: tuple[Exemplar | None, ...] = ()

    def observed(self, value: Number, exemplar: Exemplar | None = None) -> Distribution:
        bucket = bisect_left(self.bounds, value)
        counts = (*self.counts[:bucket], self.counts[bucket] + 1, *self.counts[bucket + 1 :])
        marked = self.exemplars
        if exemplar is not None:
            marked = _newest(marked, tuple(exemplar if each == bucket else None for each in range(len(counts))))
        return Distribution(self.bounds, counts, _exact(self.sum + value), marked)

    def __add__(self, other: Distribution) -> Distribution:
        counts = tuple(map(int.__add__, self.counts, other.counts))
        return Distribution(self.bounds, counts, _exact(self.sum + other.sum), _newest(self.exemplars, other.exemplars))


def empty(bounds: tuple[float, ...]) -> Distribution:
    """A histogram without observations."""
    return Distribution(bounds, (0,) * (len(bounds) + 1))


Value = int | float | Distribution


def zero_of(value: Value) -> Value:
    """What a series with such a value begins with."""
    return empty(value.bounds) if isinstance(value, Distribution) else 0


def has_risen(value: Value) -> bool:
    """Whether a counter or histogram is above 0."""
    return any(value.counts) if isinstance(value, Distribution) else value > 0


def total(one: Value, other: Value) -> Value:
    """The sum of two counters or histograms."""
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        return one + other
    if isinstance(one, Distribution) or isinstance(other, Distribution):
        raise TypeError("a counter and a histogram have one key")
    return _exact(one + other)


@dataclass(frozen=True, slots=True)
class Cell:
    """A counter or histogram as it is shown, since when it is, when it last grew, and what is held back.

    One that is `hidden` goes on, but is not shown: there was no room when it began.
    """

    value: Value
    born: float
    grown_at: float
    held: Value | None = None
    hidden: bool = False

    @property
    def risen(self) -> bool:
        """Whether it has been shown above 0 and holds nothing back."""
        return self.held is None and has_risen(self.value)


_NO_CELLS: Mapping[Key, Cell] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of one owner; `held` are the keys of those that hold something back, `hidden` of those not shown."""

    values: Mapping[Key, Cell] = field(default_factory=lambda: _NO_CELLS)
    held: frozenset[Key] = frozenset()
    hidden: frozenset[Key] = frozenset()

    @classmethod
    def of(cls, values: Mapping[Key, Cell]) -> Cells:
        held = frozenset(key for key, cell in values.items() if cell.held is not None)
        return cls(values, held, frozenset(key for key, cell in values.items() if cell.hidden))

    def rises_at(self, hold: float) -> float | None:
        """When the first of what is held back may be shown, Unix time; None where nothing is."""
        return min(self.values[key].born for key in self.held) + hold if self.held else None

    def shown_anew(self, now: float) -> Cells:
        """The same after a restart: what has not risen yet is shown at 0 from now on, for as long as if it were new.

        Nobody may have seen it before: the process may have ended as soon as it was written.
        """
        anew = {key: cell if cell.risen else replace(cell, born=now) for key, cell in self.values.items()}
        return replace(self, values=anew)


class CellBook:
    """The cells of one owner while something is added to them; `changed` has those that did, None where one went."""

    def __init__(self, cells: Cells, now: float, hold: float) -> None:
        """`hold` is for how many seconds a series is shown at 0."""
        self._cells, self._now, self._hold = cells, now, hold
        self._held, self._hidden = set(cells.held), set(cells.hidden)
        self.changed: dict[Key, Cell | None] = {}

    def get(self, key: Key) -> Cell | None:
        return self.changed[key] if key in self.changed else self._cells.values.get(key)

    def show(self, key: Key, zero: Value = 0) -> Cell:
        """Make a series appear at 0, unless it is there."""
        return self.get(key) or self.begin(key, zero)

    def begin(self, key: Key, zero: Value) -> Cell:
        """Let a series begin at 0, also one that is there."""
        self._held.discard(key)
        cell = self.changed[key] = Cell(zero, self._now, self._now, hidden=key in self._hidden)
        return cell

    def drop(self, key: Key) -> None:
        self.changed[key] = None
        self._held.discard(key)
        self._hidden.discard(key)

    def waiting(self) -> set[Key]:
        """The series that are new, and those that are hidden: there may be room for them, or not."""
        new = {key for key, cell in self.changed.items() if cell is not None and key not in self._cells.values}
        return new | self._hidden

    def hide(self, refused: Collection[Key]) -> None:
        """Hide these of those that wait for room, and show the others, with what they have come to."""
        for key in self.waiting():
            cell = self.get(key)
            if cell is not None and cell.hidden != (key in refused):
                self.changed[key] = replace(cell, hidden=key in refused)
        self._hidden = set(refused)

    def drop_where(self, goes: Callable[[Key, Cell], bool]) -> None:
        before, changed = self._cells.values.items(), self.changed.items()
        gone = [key for key, cell in before if key not in self.changed and goes(key, cell)]
        gone += [key for key, cell in changed if cell is not None and goes(key, cell)]
        for key in gone:
            self.drop(key)

    def drop_old(self, grown_before: float, but: Container[str]) -> None:
        """Let go what has not grown since, except in some families."""
        cells = self._cells.values.items()
        old = [key for key, cell in cells if cell.grown_at < grown_before and key.family not in but]
        for key in old:
            if key not in self.changed:
                self.drop(key)

    def add(self, key: Key, amount: Value) -> None:
        """Let a counter grow, or a histogram by another."""
        cell = self.show(key, zero_of(amount))
        if cell.held is not None or self._young(cell):
            held = amount if cell.held is None else total(cell.held, amount)
            self.changed[key] = replace(cell, held=held, grown_at=self._now)
            self._held.add(key)
        else:
            self.changed[key] = replace(cell, value=total(cell.value, amount), grown_at=self._now)

    def release(self) -> None:
        """Show what was held back for long enough."""
        for key in sorted(self._held):
            cell = self.get(key)
            if cell is not None and cell.held is not None and not self._young(cell):
                self.changed[key] = replace(cell, value=total(cell.value, cell.held), held=None)
                self._held.discard(key)

    def closed(self) -> Cells:
        """All cells as they are now."""
        if not self.changed:
            return self._cells
        merged = dict(self._cells.values)
        for key, cell in self.changed.items():
            if cell is None:
                merged.pop(key, None)
            else:
                merged[key] = cell
        return Cells(merged, frozenset(self._held), frozenset(self._hidden))

    def published(self, cells: Cells, now: float) -> Cells:
        """The cells once they are published, since `now`: what is new is shown at 0 from then on."""
        new = [key for key, cell in self.changed.items() if cell is not None and cell.born == self._now]
        born = {key: replace(cells.values[key], born=now) for key in new}
        return replace(cells, values={**cells.values, **born}) if born else cells

    def _young(self, cell: Cell) -> bool:
        return 0 <= self._now - cell.born < self._hold


def _newest(some: tuple[Exemplar | None, ...], others: tuple[Exemplar | None, ...]) -> tuple[Exemplar | None, ...]:
    """Of two exemplars of a bucket the one with the greater stop."""
    if not some or not others:
        return some or others
    return tuple(
        each if other is None or (each is not None and not other.after(each)) else other
        for each, other in zip(some, others, strict=True)
    )


def _exact(total: Number) -> Number:
    """A sum without the noise of floating point: CircleCI sends at most microseconds."""
    return total if isinstance(total, int) else round(total, 6)
