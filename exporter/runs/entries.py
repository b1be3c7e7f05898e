"""Reading the entries of a list, field by field: what is unreadable is counted by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.insights.payloads import Unreadable, at, items

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")


class Entry:
    """One object of a list, whose unreadable fields are added to `unread`."""

    __slots__ = ("_document", "_unread")

    def __init__(self, document: dict[str, object], unread: Counter[str]) -> None:
        self._document, self._unread = document, unread

    def must(self, path: str, read: Callable[[object], Value]) -> Value:
        """The field at a dotted path. Raises Unreadable, counted, where the entry is of no use without it."""
        try:
            return read(at(self._document, path))
        except Unreadable:
            self._unread[path] += 1
            raise

    def may(self, path: str, read: Callable[[object], Value]) -> Value | None:
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
