"""What is known about a project at one moment, as immutable facts, never as text of metrics.

A snapshot consists of parts, one per question. A part's rows are packed: compressed JSON that names its
own columns, in memory and on disk alike, so another version of the exporter can read what it knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from exporter.errors import PayloadError
from exporter.formats import deflate
from exporter.formats.exposition import number_texts

if TYPE_CHECKING:
    from exporter.config import Project
    from exporter.insights.collector import Collector, Table
    from exporter.insights.payloads import Row
    from exporter.insights.questions import Question
    from exporter.runs import Ledger
    from exporter.runs.live import Live

TextRow = tuple[tuple[str, ...], tuple[str | None, ...]]
"""A row whose numbers are as they stand in a sample."""
NO_PARTS: Mapping[Question, Part] = MappingProxyType({})
NO_OUTCOMES: Mapping[str, Outcome] = MappingProxyType({})
NO_DROPS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """What `GET /project/{slug}` and `GET /insights/{slug}/branches` say. Times are Unix seconds.

    `id` is the project's UUID, empty where it was not named.
    """

    default_branch: str
    project_name: str
    organization: str
    provider: str
    asked_at: float
    branches: tuple[str, ...] = ()
    branches_asked_at: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one question. Times are Unix seconds.

    `checked_at` is when it was last known to be CircleCI's current answer, `answered_at` when CircleCI
    last gave it, `previous` the packed rows before those, where they differed. `basis` is a digest of
    the workflow's row for which jobs were asked, `follow_ups` how often they are asked again after a change.
    """

    rows: bytes
    checked_at: float
    answered_at: float
    previous: bytes = b""
    basis: str = ""
    follow_ups: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the newest poll of one collector went; `error` is the first failure in words, or nothing.

    `absent_since` is when CircleCI first did not know the project, as far as this collector tells.
    """

    success: bool
    duration: float
    finished_at: float
    last_success: float | None = None
    error: str = ""
    reason: str = ""
    absent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known about one project, with the settings with which it is polled and shown."""

    project: Project
    facts: Facts | None = None
    parts: Mapping[Question, Part] = field(default_factory=lambda: NO_PARTS)
    outcomes: Mapping[str, Outcome] = field(default_factory=lambda: NO_OUTCOMES)
    dropped: Mapping[str, int] = field(default_factory=lambda: NO_DROPS)
    polled_at: float | None = None
    ledger: Ledger | None = None
    live: Live | None = None

    def fresh(self, now: float) -> Iterator[tuple[Question, Part, float]]:
        """The parts that are young enough to be shown, each with the time at which it no longer is, in Unix seconds."""
        ages = {name: self.project.staleness(name) for name in {question.collector for question in self.parts}}
        for question, part in self.parts.items():
            expires_at = part.checked_at + ages[question.collector]
            if now < expires_at:
                yield question, part, expires_at


def kept(snapshot: Snapshot, wanted: Callable[[Question], bool]) -> tuple[Snapshot, list[Question]]:
    """The snapshot with the parts that are wanted, and the questions that went."""
    gone = [question for question in snapshot.parts if not wanted(question)]
    if gone:
        without = set(gone)
        parts = {question: part for question, part in snapshot.parts.items() if question not in without}
        snapshot = replace(snapshot, parts=parts)
    return snapshot, gone


def pack(collector: Collector, rows: Mapping[str, Sequence[Row]]) -> bytes:
    """Rows by table, as they are kept in memory and on disk: JSON with numbers written as in a sample.

    Raises PayloadError for a number that is not finite: what is kept must be read back.
    """
    tables = ",".join(f"{_json(table.name)}:{_document(table, rows[table.name])}" for table in collector.tables)
    return deflate.packed(f"{{{tables}}}".encode())


def unpack(packed: bytes, table: Table) -> Iterator[Row]:
    """The rows of one table, each with its numbers in the order of the table's families today."""
    return _rows(json.loads(deflate.unpacked(packed)), table)


def unpack_texts(packed: bytes, table: Table) -> Iterator[TextRow]:
    """The same, with each number as it stands in a sample: it never becomes a number on the way."""
    return _rows(_TEXT_DECODER.decode(deflate.unpacked(packed).decode()), table)


def verify(packed: bytes, tables: Iterable[Table]) -> None:
    """Raise whatever the damage raises where rows of these tables cannot be unpacked: for what comes from a disk."""
    document = _DECODER.decode(deflate.unpacked(packed).decode())
    own = {table.name: len(table.own) for table in tables}
    for name, table in document.items():
        if not table.keys() >= {"columns", "labels", "numbers"}:
            continue  # packed by another version, and read as no rows
        columns, labels, rows = table["columns"], table["labels"], table["numbers"]
        numbers = list(chain.from_iterable(rows))
        if not (
            set(map(len, rows)) <= {len(columns)}
            and len(labels) == len(rows)
            and set(map(len, labels)) <= {own.get(name, len(labels[0]) if labels else 0)}
            and set(map(type, chain(columns, *labels))) <= {str}
            and set(map(type, numbers)) <= {int, float, type(None)}
            and inf not in numbers
            and -inf not in numbers
        ):
            raise ValueError


def _document(table: Table, rows: Sequence[Row]) -> str:
    columns, labels = _json([family.path for family in table.families]), _json([labels for labels, _ in rows])
    numbers = "],[".join([",".join(number_texts(values)) for _, values in rows])
    if "N" in numbers or "I" in numbers:  # NaN or Inf, which JSON cannot say: they could not be read back
        raise PayloadError(f"a number of {table.name} is not finite")
    numbers = f"[{numbers}]" if rows else ""
    return f'{{"columns":{columns},"labels":{labels},"numbers":[{numbers}]}}'


def _refused(constant: str) -> float:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refused)
_TEXT_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


_json = json.JSONEncoder(separators=(",", ":")).encode


def _rows(document: Any, table: Table) -> Iterator[Any]:  # noqa: ANN401  numbers or texts, as they were decoded
    found = document.get(table.name)
    if found is None or not found.keys() >= {"columns", "labels", "numbers"}:  # packed by another version
        return
    columns, paths = found["columns"], [family.path for family in table.families]
    rows = zip(map(tuple, found["labels"]), map(tuple, found["numbers"]), strict=True)
    if columns == paths:
        yield from rows
        return
    places = [columns.index(path) if path in columns else None for path in paths]
    for labels, numbers in rows:
        yield labels, tuple([None if place is None else numbers[place] for place in places])
