"""Counters and histograms in the state: one row a cell. Statements, without locks or transactions of their own."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.counting.cells import Cell, Cells, Distribution, Key
from exporter.state.damage import Damage
from exporter.state.database import Connection
from exporter.state.documents import Reader, document, parse, sealed, unsealed
from exporter.state.records import label

_CELL = Reader[Cell](Cell)
_LABELS = Reader[tuple[str, ...]](tuple[str, ...])


class CellTable:
    """The cells of owners of one kind; `damaged` is the label of what cannot be read."""

    def __init__(self, name: str, owner: str, owners: str, damaged: str) -> None:
        """`owner` is the column that says which row of the table `owners` a cell is of."""
        self.schema = f"""CREATE TABLE {name} (
        {owner} INTEGER NOT NULL REFERENCES {owners} ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY ({owner}, family, labels)) WITHOUT ROWID"""
        self._damaged = damaged
        self._select = f"SELECT family, labels, facts FROM {name} WHERE {owner} = ?"  # noqa: S608  ours
        self._delete = f"DELETE FROM {name} WHERE {owner} = ? AND family = ? AND labels = ?"  # noqa: S608
        self._write = f"""INSERT INTO {name} ({owner}, family, labels, facts) VALUES (?, ?, ?, ?)
            ON CONFLICT ({owner}, family, labels) DO UPDATE SET facts = excluded.facts"""  # noqa: S608

    def write(self, connection: Connection, owner: int, changed: Mapping[Key, Cell | None]) -> None:
        """Write the cells that changed; those that are None are deleted."""
        gone, rows = [], []
        for key, cell in changed.items():
            labels = document(key.labels)
            if cell is None:
                gone.append((owner, key.family, labels))
            else:
                rows.append((owner, key.family, labels, sealed(document(cell), key.family, labels)))
        connection.executemany(self._delete, gone)
        connection.executemany(self._write, rows)

    def read(self, connection: Connection, owner: int, slug: str, damage: Damage) -> Cells:
        """All cells of an owner; one that is damaged is deleted, and begins at 0."""
        return Cells.of(dict(damage.rows(self._damaged, slug, connection, self._select, self._delete, owner, _read)))


OF_PROJECTS = CellTable("cell", "project", "ledger", "counter")
OF_ORGANIZATIONS = CellTable("organization_cell", "organization", "usage_organization", "usage_cell")


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
