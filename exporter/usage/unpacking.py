"""From the bytes of a file to records of CSV: the standard library's gzip and csv, never with more than a megabyte."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from exporter.errors import PayloadError, TooLargeError, TruncatedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LIMIT = 1 << 20
"""Bytes of a record, characters of a field."""
PIECE = 256 * 1024
"""Bytes that are unpacked at once."""
MAGIC, BYTE_ORDER_MARK = b"\x1f\x8b", b"\xef\xbb\xbf"


def records(chunks: Iterable[bytes], *, bounded: bool = True) -> Iterator[list[str]]:
    """The records of CSV, with quoted fields unquoted; nothing is an escape character. What is not gzip is plain text.

    Raises TruncatedError unless the end of the last gzip member was seen, or where the end of what is not gzip cannot
    be told since it is not `bounded`: a file that is cut at the end of a row looks whole. Raises TooLargeError for a
    record or field beyond the limit, PayloadError for what is neither gzip nor CSV.
    """
    packed = io.BufferedReader(_Stream(chunks), PIECE)
    is_gzip = packed.peek().startswith(MAGIC)
    lines = _Lines(io.BufferedReader(gzip.GzipFile(fileobj=packed), PIECE) if is_gzip else packed)
    csv.field_size_limit(LIMIT)  # of the process: nothing else here reads CSV
    try:
        for record in csv.reader(lines, strict=True):
            lines.pending = 0
            yield record
    except EOFError:
        raise TruncatedError("a file of the export ended early") from None
    except (gzip.BadGzipFile, zlib.error):
        raise PayloadError("a file of the export is not valid gzip") from None
    except csv.Error as error:
        if "field limit" in str(error):
            raise TooLargeError(f"a field is larger than {LIMIT} characters") from None
        raise PayloadError("a file of the export is no CSV") from None
    if not (is_gzip or bounded):
        raise TruncatedError("whether a file of the export is whole cannot be told")


class _Stream(io.RawIOBase):
    """A file as it comes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer with at least two bytes, unless the file ends: they tell whether it is gzip."""
        place = memoryview(buffer)
        while len(self._rest) < len(MAGIC) and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken = self._rest[: len(place)]
        place[: len(taken)], self._rest = taken, self._rest[len(taken) :]
        return len(taken)


class _Lines:
    """The lines of a file; only a newline ends one. `pending` counts the bytes since the last record was complete."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self.pending = 0

    def __iter__(self) -> Iterator[str]:
        line = self._file.readline(LIMIT + 1).removeprefix(BYTE_ORDER_MARK)
        while line:
            self.pending += len(line)
            if self.pending > LIMIT:
                raise TooLargeError(f"a record is larger than {LIMIT} bytes")
            yield line.decode("utf-8", "surrogateescape")
            line = self._file.readline(LIMIT + 1)
