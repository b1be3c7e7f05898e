"""What is known of an organization's exports as it is stored. What is damaged raises an exception of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.insights.payloads import text
from exporter.runs.counters import Key
from exporter.state.documents import Reader
from exporter.state.usage_tables import StoredCell, StoredJobRun
from exporter.usage.cells import Cell
from exporter.usage.families import LABELS
from exporter.usage.planning import Export, Progress

if TYPE_CHECKING:
    from exporter.usage.counting import JobRun

_PROGRESS = Reader[Progress](Progress, Export)
_CELL = Reader[Cell](Cell)
_SIZES = {family.name: (len(names), family.kind) for family, names in LABELS.items()}


def read_progress(document: object) -> Progress:
    """How far the exports are."""
    return _PROGRESS.read(document)


def read_cell(family: str, labels: tuple[str, ...], document: object) -> tuple[Key, Cell]:
    """One counter or histogram."""
    cell = _CELL.read(document)
    size, kind = _SIZES[family]
    if len(labels) != size or len(cell.value) != len(cell.before) or (len(cell.value) == 1) != (kind == "counter"):
        raise ValueError
    if any(now < before or before < 0 for now, before in zip(cell.value, cell.before, strict=True)):
        raise ValueError
    return Key(family, tuple(map(text, labels))), cell


def stored_cell(key: Key, cell: Cell) -> StoredCell:
    """One counter or histogram to be written."""
    return StoredCell(key.family, key.labels, cell)


def stored_run(run: JobRun) -> StoredJobRun:
    """One job run to be remembered."""
    return StoredJobRun(run.key, run.day, run.last, run.series.id, run.use)
