"""Counters and histograms as they are kept: what they are, and what they were before the newest export. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import add

from exporter.counting.cells import Key

Amounts = tuple[int, ...]
"""A counter's amount, or a histogram's runs by bucket and its sum, which is in millionths."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One counter or histogram. `before` is its value without the export that changed it last, whose number it has."""

    value: Amounts
    before: Amounts
    export: int

    def shown(self, held: int | None) -> Amounts:
        """Its value for a scrape, while the export with the number `held` is not shown yet."""
        return self.before if self.export == held else self.value


def grown(cells: Mapping[Key, Cell], added: Mapping[Key, Amounts], export: int) -> dict[Key, Cell]:
    """The cells that an export with a number changes or makes; a new one was 0 before."""
    changed = {}
    for key, amounts in added.items():
        cell = cells.get(key)
        if cell is None or len(cell.value) != len(amounts):
            changed[key] = Cell(amounts, (0,) * len(amounts), export)
        elif any(amounts):
            changed[key] = Cell(tuple(map(add, cell.value, amounts)), cell.value, export)
    return changed


def merged(one: Amounts, other: Amounts) -> Amounts:
    """The sum of two cells of one series."""
    return tuple(map(add, one, other)) if len(one) == len(other) else one
