"""One gzip member out of pieces that were compressed when they were published.

A fragment is a raw deflate stream ended by a full flush (RFC 1951, RFC 1952): it ends on a byte and
refers to nothing before it, so fragments stand one after another in any order. The member's CRC is
combined from the fragments' CRCs, without their bytes, by the algebra of GF(2): the CRC of A before B
is that of A moved over B's length, xor that of B.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

try:  # optional: several times faster, nothing else
    from isal.isal_zlib import compress, compressobj, decompress
except ImportError:
    from zlib import compress, compressobj, decompress  # type: ignore[assignment]

if TYPE_CHECKING:
    Tables = tuple[array[int], array[int], array[int], array[int]]  # where each byte of a CRC goes, the lowest first

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
FINAL_BLOCK = b"\x03\x00"
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Fragment:
    """Compressed bytes, with the CRC-32 and the length of what they stand for."""

    deflated: bytes
    crc: int
    size: int


NOTHING = Fragment(b"", 0, 0)


def fragment(plain: bytes) -> Fragment:
    """Compress once, for every scrape to come."""
    if not plain:
        return NOTHING
    squeeze = compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return Fragment(deflated, zlib.crc32(plain), len(plain))


def packed(plain: bytes) -> bytes:
    """A zlib stream (RFC 1950), for what is kept by itself."""
    return compress(plain, 1)


def unpacked(stream: bytes) -> bytes:
    """What was packed, with or without the faster library."""
    return decompress(stream)


def inflate(deflated: bytes) -> bytes:
    """The plain bytes of one or more fragments that stand one after another."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated + FINAL_BLOCK)


def trailer(crc: int, size: int) -> bytes:
    """What ends the member: an empty last block, the CRC, the length modulo 2**32."""
    return FINAL_BLOCK + struct.pack("<II", crc, size & _WORD)


@cache
def _tables(place: int, digit: int) -> Tables:
    """Tables that move a CRC over `digit * 16**place` bytes."""

    def move(crc: int) -> int:
        if digit > 1:
            return _moved(_moved(crc, _tables(place, digit - 1)), _tables(place, 1))
        if place:
            return _moved(_moved(crc, _tables(place - 1, 15)), _tables(place - 1, 1))
        return zlib.crc32(b"\0", crc ^ _WORD) ^ zlib.crc32(b"\0", _WORD)

    def table(shift: int) -> array[int]:
        entries = array("I", [0])
        for bit in range(8):
            moved = move(1 << shift + bit)
            entries.extend([entry ^ moved for entry in entries])
        return entries

    return table(0), table(8), table(16), table(24)


def _moved(crc: int, tables: Tables) -> int:
    first, second, third, fourth = tables
    return first[crc & 255] ^ second[crc >> 8 & 255] ^ third[crc >> 16 & 255] ^ fourth[crc >> 24]


def combine(crc: int, following: int, size: int) -> int:
    """The CRC of two pieces, from the CRC of each and the length of the second."""
    place = 0
    while size:
        if digit := size & 15:
            first, second, third, fourth = _tables(place, digit)
            crc = first[crc & 255] ^ second[crc >> 8 & 255] ^ third[crc >> 16 & 255] ^ fourth[crc >> 24]
        size >>= 4
        place += 1
    return crc ^ following
