"""Rows of a part as they are kept, in memory and on disk alike: compressed JSON that names its own columns.

Another version of the exporter can read what it knows of it. Pure.

The numbers stand in it as in a sample, and are decoded as texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import inf
from typing import Any

from exporter.errors import PayloadError
from exporter.formats import deflate
from exporter.formats.exposition import number_texts
from exporter.insights.collector import Collector, Table
from exporter.insights.payloads import Row

TextRow = tuple[tuple[str, ...], tuple[str | None, ...]]
"""A row whose numbers are as they stand in a sample."""
Decoded = tuple[Mapping[str, Any], str]
"""Tables by their names, with numbers as texts, and the JSON that they were decoded from."""
_HUGE = re.compile("[eE][+]?[0-9]{3}")
_LONGEST = 40
_KEYS = {"columns", "labels", "numbers"}


def pack(collector: Collector, rows: Mapping[str, Sequence[Row]]) -> bytes:
    """Rows by table.

    Raises PayloadError for a number that is not finite: what is kept must be read back.
    """
    tables = {table.name: _texts(table, rows[table.name]) for table in collector.tables}
    text = f"{{{','.join([_written(name, table) for name, table in tables.items()])}}}"
    packed = deflate.packed(text.encode())
    _recent.keep(packed, (tables, text))  # it is shown soon after
    return packed


def unpack(packed: bytes, table: Table) -> Iterator[Row]:
    """The rows of one table, each with its numbers in the order of the table's families today."""
    for labels, texts in unpack_texts(packed, table):
        yield labels, tuple([None if text is None else float(text) for text in texts])


def unpack_texts(packed: bytes, table: Table) -> Iterator[TextRow]:
    """The same, with each number as it stands in a sample."""
    found = _recent.decoded(packed)[0].get(table.name)
    if found is None or not found.keys() >= _KEYS:  # packed by another version
        return
    columns, paths = found["columns"], [family.path for family in table.families]
    rows = zip(map(tuple, found["labels"]), map(tuple, found["numbers"]), strict=True)
    if columns == paths:
        yield from rows
        return
    places = [columns.index(path) if path in columns else None for path in paths]
    for labels, numbers in rows:
        yield labels, tuple([None if place is None else numbers[place] for place in places])


def verify(packed: bytes, tables: Iterable[Table]) -> None:
    """Raise whatever the damage raises where rows of these tables cannot be unpacked: for what comes from a disk."""
    own = {table.name: len(table.own) for table in tables}
    document, text = _recent.decoded(packed)
    for name, table in document.items():
        if not table.keys() >= _KEYS:
            continue  # packed by another version, and read as no rows
        columns, labels, rows = table["columns"], table["labels"], table["numbers"]
        if not (
            set(map(len, rows)) <= {len(columns)}
            and len(labels) == len(rows)
            and set(map(len, labels)) <= {own.get(name, len(labels[0]) if labels else 0)}
            and set(map(type, chain(columns, *labels))) <= {str}
            and (_is_plain(text, table) or _is_typed(json.loads(text, parse_constant=_refused)[name]))
        ):
            raise ValueError


def _texts(table: Table, rows: Sequence[Row]) -> dict[str, Any]:
    """A table as it is decoded, but that its numbers have no None."""
    return {
        "columns": [family.path for family in table.families],
        "labels": [labels for labels, _ in rows],
        "numbers": [number_texts(values) for _, values in rows],
    }


def _written(name: str, table: dict[str, Any]) -> str:
    """The JSON of a table; puts None where its numbers have `null`."""
    columns, labels, rows = _json(table["columns"]), _json(table["labels"]), table["numbers"]
    numbers = "],[".join([",".join(texts) for texts in rows])
    if "N" in numbers or "I" in numbers:  # NaN or Inf, which JSON cannot say: they could not be read back
        raise PayloadError(f"a number of {name} is not finite")
    if "u" in numbers:
        table["numbers"] = [[None if text == "null" else text for text in texts] for texts in rows]
    numbers = f"[{numbers}]" if rows else ""
    return f'{_json(name)}:{{"columns":{columns},"labels":{labels},"numbers":[{numbers}]}}'


class _Recent:
    """What was packed or decoded last, decoded: it is shown soon after a poll has packed it or a start verified it."""

    def __init__(self, size: int) -> None:
        self._size, self._known = size, dict[bytes, Decoded]()

    def keep(self, packed: bytes, decoded: Decoded) -> None:
        known = {**self._known, packed: decoded}
        if len(known) > self._size:
            del known[next(iter(known))]
        self._known = known  # never changed, so that any thread may read it

    def decoded(self, packed: bytes) -> Decoded:
        found = self._known.get(packed)
        if found is None:
            text = deflate.unpacked(packed).decode()
            found = _DECODER.decode(text), text
            self.keep(packed, found)
        return found


_recent = _Recent(32)


def _is_plain(text: str, table: Mapping[str, Any]) -> bool:
    """Whether a table is written as by this version, with nothing but finite numbers where they belong.

    It is told by the text, since that is several times faster than by each number.
    """
    head = f'"columns":{_json(table["columns"])},"labels":{_json(table["labels"])},"numbers":['
    _, found, rest = text.partition(head)
    numbers = rest.partition("]]")[0]
    return (
        bool(found)
        and head not in rest
        and numbers.count("[") == len(table["numbers"])
        and not ('"' in numbers or "t" in numbers or "f" in numbers or "{" in numbers or _HUGE.search(numbers))
        and max(map(len, numbers.split(","))) < _LONGEST
    )


def _is_typed(table: Mapping[str, Any]) -> bool:
    """Whether a table has texts and finite numbers where they belong."""
    numbers = list(chain.from_iterable(table["numbers"]))
    return (
        set(map(type, chain(table["columns"], *table["labels"]))) <= {str}
        and set(map(type, numbers)) <= {int, float, type(None)}
        and inf not in numbers
        and -inf not in numbers
    )


def _refused(constant: str) -> float:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refused)
_json = json.JSONEncoder(separators=(",", ":")).encode
