"""Reading the entries of a list, field by field: what is unreadable is counted by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from exporter.insights.payloads import Unreadable, at, items

Value = TypeVar("Value")


class Entry:
    """One object of a list, whose unreadable fields are added to `unread`."""

    __slots__ = ("_document", "_unread")

    def __init__(self, document: object, unread: Counter[str]) -> None:
        self._document, self._unread = document, unread

    def must(self, path: str, read: Callable[[object], Value]) -> Value:
        """The field at a dotted path. Raises Unreadable, counted, where the entry is of no use without it."""
        try:
            return read(at(self._document, path))
        except Unreadable:
            self._unread[path] += 1
            raise

    def doubt(self, path: str) -> None:
        """Count a field that can be read, and cannot be true."""
        self._unread[path] += 1

    def may(self, path: str, read: Callable[[object], Value | None]) -> Value | None:
        """The field at a dotted path; None where it cannot be read, which is counted."""
        try:
            return self.must(path, read)
        except Unreadable:
            return None


def entries(page: object, unread: Counter[str]) -> Iterator[Entry]:
    """The objects of a page's list; what is none is counted. Raises PayloadError without a list."""
    for document in items(page):
        if isinstance(document, dict):
            yield Entry(document, unread)
        else:
            unread["items"] += 1


def readable(page: object, read: Callable[[Entry], Value]) -> tuple[list[Value], Counter[str]]:
    """What `read` makes of each entry of a page's list, and the fields that could not be read.

    An entry for which it raises Unreadable is left out. Raises PayloadError without a list.
    """
    unread, values = Counter[str](), []
    for entry in entries(page, unread):
        try:
            values.append(read(entry))
        except Unreadable:
            continue
    return values, unread
