"""Counters and histograms in the state: one row a cell. Statements, without locks or transactions of their own."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.counting.cells import Cell, Cells, Distribution, Key
from exporter.state.damage import Damage
from exporter.state.database import Connection
from exporter.state.documents import Reader, document, parse, sealed, unsealed
from exporter.state.records import label

SCHEMA = (
    """CREATE TABLE cell (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, family, labels)) WITHOUT ROWID""",
)
_CELL = Reader[Cell](Cell)
_LABELS = Reader[tuple[str, ...]](tuple[str, ...])
_SELECT = "SELECT family, labels, facts FROM cell WHERE project = ?"
_DELETE = "DELETE FROM cell WHERE project = ? AND family = ? AND labels = ?"
_WRITE = """INSERT INTO cell (project, family, labels, facts) VALUES (?, ?, ?, ?)
    ON CONFLICT (project, family, labels) DO UPDATE SET facts = excluded.facts"""


def write(connection: Connection, project: int, changed: Mapping[Key, Cell | None]) -> None:
    """Write the cells that changed; those that are None are deleted."""
    gone, rows = [], []
    for key, cell in changed.items():
        labels = document(key.labels)
        if cell is None:
            gone.append((project, key.family, labels))
        else:
            rows.append((project, key.family, labels, sealed(document(cell), key.family, labels)))
    connection.executemany(_DELETE, gone)
    connection.executemany(_WRITE, rows)


def read(connection: Connection, project: int, slug: str, damage: Damage) -> Cells:
    """All cells of a project; one that is damaged is deleted, and begins at 0."""
    return Cells.of(dict(damage.rows("counter", slug, connection, _SELECT, _DELETE, project, _read)))


def _read(family: str, labels: str, facts: object) -> tuple[Key, Cell]:
    key = Key(label(family), _LABELS.read(parse(labels)))
    cell = _CELL.read(parse(unsealed(facts, family, labels)))
    value, held = cell.value, cell.held
    if held is not None and isinstance(held, Distribution) != isinstance(value, Distribution):
        raise TypeError
    for each in (value, held):
        if isinstance(each, Distribution):
            size = len(each.bounds) + 1
            if len(each.counts) != size or len(each.exemplars) not in {0, size}:
                raise ValueError
    if isinstance(value, Distribution) and isinstance(held, Distribution) and value.bounds != held.bounds:
        raise ValueError
    return key, cell
