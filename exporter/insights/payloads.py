"""Reading CircleCI's JSON safely: what is not as documented is counted, and costs no more than itself.

Pure: JSON in, rows out. A row is the tuple of its labels' texts and the tuple of its numbers, in the
order in which they were asked for; a null or absent number is None.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeGuard

from exporter.errors import ConflictError, PayloadError

type_names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}

NUMERIC = {int, float}
Number = float
Row = tuple[tuple[str, ...], tuple["Number | None", ...]]


class Unreadable(Exception):  # noqa: N818  raised and caught within one reading
    """A field holds something else than documented."""


def number(value: object) -> Number | None:
    """A JSON number as it was sent; None for null. Raises Unreadable for all else, infinities included."""
    if value is None:
        return None
    if type(value) is not int and type(value) is not float:  # JSON makes no others; true is neither
        raise Unreadable
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer beyond a float's range
        raise Unreadable from None
    if not finite:
        raise Unreadable
    return value


def trend(value: object) -> Number | None:
    """A trend: the ratio of this window to the one before. -1.0 stands for infinite and is no number."""
    read = number(value)
    return None if read == -1 else read


def unless_zero(value: object) -> Number | None:
    """A number that CircleCI sends as 0 where it has not computed it."""
    return number(value) or None


def timestamp(value: object) -> Number | None:
    """An ISO 8601 date and time as seconds since the epoch; without an offset it is UTC. None for null."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unreadable
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Unreadable from None


def moment(value: object) -> Number:
    """The same, where there must be one: raises Unreadable for null, too."""
    found = timestamp(value)
    if found is None:
        raise Unreadable
    return found


def text(value: object) -> str:
    """A non-empty text that can stand in a label and be stored.

    Raises Unreadable for all else: lone surrogates have no encoding, and SQLite takes a NUL for the end.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unreadable
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unreadable from None
    return value


def optional_text(value: object) -> str:
    """A text, or nothing for null and absent: some labels have no value for every row."""
    return "" if value is None or value == "" else text(value)


def at(document: object, path: str) -> object:
    """What stands at a dotted path; None where an object or key on the way is absent."""
    if not path:
        return document
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _around(document: object, path: str) -> object:
    """The object at a dotted path; None where it is absent or null, and whatever stands where an object belongs."""
    for key in path.split(".") if path else ():
        if not isinstance(document, dict):
            return document
        document = document.get(key)
    return document


def _absent(value: object) -> object:
    if value is not None:
        raise Unreadable
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a row: where it stands, and how it is read."""

    path: str
    read: Callable[[object], Number | None] = number
    parent: str = field(init=False)
    leaf: str = field(init=False)

    def __post_init__(self) -> None:
        """Split the path once."""
        parent, _, leaf = self.path.rpartition(".")
        object.__setattr__(self, "parent", parent)
        object.__setattr__(self, "leaf", leaf)


class _Neighbors(NamedTuple):
    """Columns that stand in one object; the keys of those that are all plain numbers, none where one is not."""

    parent: str
    columns: Sequence[Column]
    leaves: Sequence[str]


def _neighbors(parent: str, columns: Sequence[Column]) -> _Neighbors:
    plain = all(column.read is number for column in columns)
    return _Neighbors(parent, columns, [column.leaf for column in columns] if plain else ())


@dataclass(slots=True)
class Reading:
    """What was read from one answer: its rows, and the fields that were not as documented."""

    rows: list[Row] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)

    def add(self, found: Iterable[object], keys: Sequence[str], columns: Sequence[Column]) -> None:
        """Read entries; a label that is no text costs the row, a number that is none costs the number."""
        together = [_neighbors(parent, tuple(group)) for parent, group in groupby(columns, attrgetter("parent"))]
        texts = [(key.lstrip("?"), optional_text if key.startswith("?") else text) for key in keys]
        for entry in found:
            labels = self._labels(entry, texts)
            if labels is not None:
                self.rows.append((labels, self._numbers(entry, together)))

    def _labels(self, entry: object, texts: Iterable[tuple[str, Callable[[object], str]]]) -> tuple[str, ...] | None:
        labels = []
        for key, read in texts:
            try:
                labels.append(read(at(entry, key)))
            except Unreadable:
                self.unread[key] += 1
                return None
        return tuple(labels)

    def _numbers(self, entry: object, together: Iterable[_Neighbors]) -> tuple[Number | None, ...]:
        """The numbers of columns."""
        values: list[Number | None] = []
        for parent, columns, leaves in together:
            around = _around(entry, parent)
            if leaves and isinstance(around, dict) and _are_numbers(found := [*map(around.get, leaves)]):
                values += found
                continue
            for column in columns:
                try:
                    value = around.get(column.leaf) if isinstance(around, dict) else _absent(around)
                    values.append(column.read(value))
                except Unreadable:
                    self.unread[column.path] += 1
                    values.append(None)
        return tuple(values)


def _are_numbers(found: Sequence[object]) -> TypeGuard[Sequence[Number]]:
    """Whether all are finite numbers, none of them null."""
    try:
        return {*map(type, found)} <= NUMERIC and math.isfinite(sum(map(abs, found)))  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond a float's range
        return False


def _kind(value: object) -> str:
    return type_names.get(type(value), "a number")


def items(page: object, path: str = "items") -> list[object]:
    """The list at a path of a page. Raises PayloadError where there is none."""
    found = at(page, path)
    if not isinstance(found, list):
        raise PayloadError(f"{path} should be a list, but is {_kind(found)}")
    return found


def entries(page: object, rows: str) -> list[object]:
    """What the rows of a page are read from: the list at a path, which a `?` lets be absent, or the page itself.

    Raises PayloadError where there is no such list, or where the page itself is no object.
    """
    if not rows:
        if not isinstance(page, dict):
            raise PayloadError(f"the answer should be an object, but is {_kind(page)}")
        return [page]
    path = rows.lstrip("?")
    return [] if path != rows and at(page, path) is None else items(page, path)


def read_rows(pages: Iterable[object], rows: str, keys: Sequence[str], columns: Sequence[Column]) -> Reading:
    """Read the rows of all pages; an empty path of rows makes each page one row.

    `keys` are the dotted paths of the labels; a `?` before one of them, or before `rows`, says that it may be absent.
    Raises PayloadError for a missing list, ConflictError for two rows of the same labels that differ.
    """
    reading = read_entries(pages, rows, keys, columns)
    reading.rows = unique(reading.rows)
    return reading


def read_entries(pages: Iterable[object], rows: str, keys: Sequence[str], columns: Sequence[Column]) -> Reading:
    """The same, with rows of the same labels as they come. Raises PayloadError."""
    reading = Reading()
    for page in pages:
        reading.add(entries(page, rows), keys, columns)
    return reading


def unique(rows: Iterable[Row]) -> list[Row]:
    """Each row once: a list that shifts while its pages are read repeats some.

    Raises ConflictError for two rows of the same labels that differ: neither is to be believed.
    """
    found: dict[tuple[str, ...], tuple[Number | None, ...]] = {}
    for labels, values in rows:
        if found.setdefault(labels, values) != values:
            raise ConflictError(f"two rows are named {' / '.join(labels)!r}, and differ")
    return list(found.items())
