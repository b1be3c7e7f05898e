"""Hints that wait in the state file: statements, without locks or transactions of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.runs.hints import Hint
from exporter.runs.pipelines import identifier
from exporter.state.damage import Damage
from exporter.state.database import Connection
from exporter.state.documents import Reader, document, parse

SCHEMA = (
    """CREATE TABLE hint (
        server TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (server, id)) WITHOUT ROWID""",
)
_WRITE = """INSERT INTO hint (server, id, version, facts) VALUES (?, ?, ?, ?)
    ON CONFLICT (server, id) DO UPDATE SET version = excluded.version, facts = excluded.facts"""
_READ = "SELECT id, version, facts FROM hint WHERE server = ?"
_DELETE = "DELETE FROM hint WHERE server = ? AND id = ?"
_HINT = Reader[Hint](Hint)


def write(connection: Connection, server: str, hint: Hint, version: int) -> None:
    """Write one hint; of those with the same id the newest version stays."""
    connection.execute(_WRITE, (server, hint.id, version, document(hint)))


def delete(connection: Connection, server: str, followed: Mapping[str, int]) -> None:
    """Delete hints, by their ids, in the versions that were followed: a newer one stays."""
    connection.executemany(
        "DELETE FROM hint WHERE server = ? AND id = ? AND version = ?",
        [(server, id_, version) for id_, version in followed.items()],
    )


def read(connection: Connection, server: str, damage: Damage) -> Iterator[tuple[Hint, int]]:
    """Every hint that waits, with its version."""
    return damage.rows("hint", "", connection, _READ, _DELETE, server, _hint)


def _hint(stored_id: object, version: object, facts: object) -> tuple[Hint, int]:
    hint = _HINT.read(parse(facts))
    if hint.id != stored_id or type(version) is not int:
        raise ValueError
    for each in filter(None, (hint.id, hint.workflow, hint.pipeline)):
        identifier(each)  # it becomes part of a path
    return hint, version
