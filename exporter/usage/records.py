"""What is known of an organization's exports as it is stored. What is damaged raises an exception of whatever kind."""

from __future__ import annotations

from exporter.counting.cells import Key
from exporter.insights.payloads import text
from exporter.state.documents import Reader
from exporter.usage.cells import Cell
from exporter.usage.families import FAMILIES
from exporter.usage.planning import Progress

_CELL = Reader[Cell](Cell)
_SIZES = {family.name: (len(family.labels), family.kind) for family in FAMILIES}


read_progress = Reader[Progress](Progress).read
"""How far the exports are, from its document."""


def read_cell(family: str, labels: tuple[str, ...], document: object) -> tuple[Key, Cell]:
    """One counter or histogram."""
    cell = _CELL.read(document)
    size, kind = _SIZES[family]
    if len(labels) != size or len(cell.value) != len(cell.before) or (len(cell.value) == 1) != (kind == "counter"):
        raise ValueError
    if any(now < before or before < 0 for now, before in zip(cell.value, cell.before, strict=True)):
        raise ValueError
    return Key(family, tuple(map(text, labels))), cell
