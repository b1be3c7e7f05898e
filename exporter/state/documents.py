"""Frozen facts as JSON documents: written by the names of their fields, read as far as this version knows them.

A key that another version added is ignored, and a field that it did not have has its default. What is of
another type than its field is damage, and so is what could not be shown: lone surrogates, infinities. A seal finds a
changed bit even where it makes another good number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Generic, TypeVar
from zlib import crc32

from pydantic import TypeAdapter

Value = TypeVar("Value")


def document(value: object) -> str:
    """Compact JSON. Raises ValueError for a number that is not finite."""
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False)


def parse(written: object) -> Any:  # noqa: ANN401  any JSON
    """The document that was written. Raises ValueError, TypeError or RecursionError for what is none."""
    if not isinstance(written, str):
        raise TypeError(f"{type(written).__name__} in the place of text")
    decoded = _DECODER.decode(written)
    if "\\u" in written or not written.isascii():
        json.dumps(decoded, ensure_ascii=False).encode()  # refuses lone surrogates
    return decoded


def sealed(written: str, *of: str) -> str:
    """A document with its checksum on a line of its own; `of` is what else it belongs to, such as a name."""
    return f"{written}\n{_checksum(written, of)}"


def unsealed(stored: object, *of: str) -> object:
    """The document. Raises ValueError where it, or what it belongs to, has changed. The first version had no seals."""
    if not isinstance(stored, str) or "\n" not in stored:
        return stored
    written, _, checksum = stored.rpartition("\n")
    if checksum != _checksum(written, of):
        raise ValueError("the checksum is another")
    return written


class Reader(Generic[Value]):
    """Makes values of a type out of documents."""

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  a dataclass, or a collection
        self._kind = kind

    def read(self, document: object) -> Value:
        """The value of a document. Raises pydantic.ValidationError, which is a ValueError."""
        return self._adapter.validate_python(document)

    @cached_property
    def _adapter(self) -> TypeAdapter[Value]:
        """Made at the first use, since it takes a while."""
        return TypeAdapter(self._kind)


def _checksum(written: str, of: tuple[str, ...]) -> str:
    whole = "\n".join((written, *of))
    return f"{crc32(whole.encode()):08x}"


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(each) for each in value]
    return value


def _finite(written: str) -> float:
    number = float(written)
    if not isfinite(number):
        raise ValueError(f"{written} is not finite")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
