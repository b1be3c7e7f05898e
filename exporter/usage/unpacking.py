"""From the bytes of a file to lines of CSV, never more than a megabyte of them at once. Pure."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain

from exporter.errors import PayloadError, TooLargeError, TruncatedError

LIMIT = 1 << 20
"""Bytes of a line, characters of a field."""
PIECE = 256 * 1024
"""Bytes that are unpacked at once."""
MAGIC, BYTE_ORDER_MARK = b"\x1f\x8b", b"\xef\xbb\xbf"


def unpacked(chunks: Iterable[bytes], *, bounded: bool = True) -> Iterator[bytes]:
    """The bytes of gzip members, one after the other; what is not gzip is taken as it is.

    Raises TruncatedError unless the last member's end was seen, or where the end of what is not gzip cannot be told
    since it is not `bounded`: a file that is cut at the end of a row looks whole. Raises PayloadError for damage.
    """
    pieces = iter(chunks)
    first = b""
    while len(first) < len(MAGIC) and (piece := next(pieces, b"")):
        first += piece
    rest = chain([first], pieces)
    if first.startswith(MAGIC):
        yield from _members(rest)
        return
    yield from rest
    if not bounded:
        raise TruncatedError("whether a file of the export is whole cannot be told")


def _members(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    untouched = True
    for chunk in chunks:
        data = chunk
        while data:
            if inflater.eof:  # another member follows, or the zeros that some programs pad a file with
                if not data.strip(b"\0"):
                    break
                inflater, untouched = zlib.decompressobj(zlib.MAX_WBITS | 16), True
            try:
                piece = inflater.decompress(data, PIECE)
            except zlib.error:
                raise PayloadError("a file of the export is not valid gzip") from None
            untouched = False
            if piece:
                yield piece
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof and not untouched:
        raise TruncatedError("a file of the export ended early")


def records(chunks: Iterable[bytes]) -> Iterator[list[str]]:
    """The records of CSV, with quoted fields unquoted; nothing is an escape character.

    Raises TooLargeError for a line or field beyond the limit, PayloadError for what is no CSV. A field that ends
    with the bytes, inside its quotes, was cut.
    """
    lines = _Lines(chunks)
    csv.field_size_limit(LIMIT)  # of the process: nothing else here reads CSV
    reader = csv.reader(chain.from_iterable(lines), strict=True)
    try:
        for record in reader:
            lines.pending = 0
            yield record
    except csv.Error as error:
        if "field limit" in str(error):
            raise TooLargeError(f"a field is larger than {LIMIT} characters") from None
        raise PayloadError("a file of the export is no CSV") from None


class _Lines:
    """Whole lines of a stream, in blocks. `pending` counts the bytes since the last record was complete."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.pending = self.blocks = 0

    def __iter__(self) -> Iterator[StringIO]:
        rest = b""
        for data in self._chunks:
            end = data.rfind(b"\n") + 1
            if len(rest) + (data.find(b"\n") + 1 or len(data)) > LIMIT:
                raise TooLargeError(f"a line is larger than {LIMIT} bytes")
            if not end:
                rest += data
                continue
            yield self._block(rest + data[:end])
            rest = data[end:]
        if rest:
            yield self._block(rest)

    def _block(self, data: bytes) -> StringIO:
        if not self.blocks:
            data = data.removeprefix(BYTE_ORDER_MARK)
        self.blocks += 1
        self.pending += len(data)
        if self.pending > LIMIT + 2 * PIECE:
            raise TooLargeError(f"a record is larger than {LIMIT} bytes")
        # Only \n ends a line, as only it does for whoever wrote the file.
        return StringIO(data.decode("utf-8", "surrogateescape"), newline="\n")
