"""One gzip member out of pieces that were compressed when they were published.

A fragment is a raw deflate stream ended by a full flush (RFC 1951, RFC 1952): it ends on a byte and
refers to nothing before it, so fragments stand one after another in any order. The member's CRC is
combined from those of the fragments, without their bytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
FINAL_BLOCK = b"\x03\x00"
_WORD = 0xFFFFFFFF
_ZEROS = memoryview(bytes(1 << 16))


class Fragment(NamedTuple):
    """Compressed bytes, with the CRC-32 and the length of what they stand for."""

    deflated: bytes
    crc: int
    size: int


class Joined(NamedTuple):
    """Compressed pieces in the order in which they are sent, with the CRC-32 and the length of all that they say."""

    pieces: tuple[bytes, ...] = ()
    crc: int = 0
    size: int = 0

    def followed_by(self, fragments: Iterable[Fragment]) -> Joined:
        """The same with more behind it."""
        pieces, crc, size = [*self.pieces], self.crc, self.size
        for fragment in fragments:
            pieces.append(fragment.deflated)
            crc, size = combine(crc, fragment.crc, fragment.size), size + fragment.size
        return Joined(tuple(pieces), crc, size)

    def member(self) -> tuple[bytes, ...]:
        """One gzip member: the pieces, an empty last block, the CRC, the length modulo 2**32."""
        return (GZIP_HEADER, *self.pieces, FINAL_BLOCK + struct.pack("<II", self.crc, self.size & _WORD))


NOTHING = Fragment(b"", 0, 0)


def fragment(plain: bytes, *, small: bool = False) -> Fragment:
    """Compress once, for every scrape to come: as fast as can be, or, some ten times slower, as small as can be."""
    if not plain:
        return NOTHING
    squeeze = (
        zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        if small
        else compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    )
    return Fragment(squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH), crc32(plain), len(plain))


def inflate(deflated: bytes, size: int = zlib.DEF_BUF_SIZE) -> bytes:
    """The plain bytes of one or more fragments that stand one after another; faster with their known size."""
    return decompress(deflated + FINAL_BLOCK, -zlib.MAX_WBITS, size)


def packed(plain: bytes) -> bytes:
    """A zlib stream (RFC 1950), for what is kept by itself."""
    return compress(plain, 1)


def unpacked(stream: bytes) -> bytes:
    """What was packed, with or without the faster library."""
    return decompress(stream)


def combined(crc: int, following: int, size: int) -> int:
    """The CRC of two pieces, from the CRC of each and the length of the second; the standard library has none.

    The first is moved over the second as if that were all zeros: by the algebra of GF(2), the rest is its own CRC.
    """
    crc ^= _WORD  # zlib flips all bits before and after
    while size:
        zeros = _ZEROS[:size]
        crc, size = zlib.crc32(zeros, crc), size - len(zeros)
    return crc ^ _WORD ^ following


try:  # optional: several times faster, nothing else
    from isal.isal_zlib import compress, compressobj, crc32, decompress
    from isal.isal_zlib import crc32_combine as combine
except ImportError:
    from zlib import compress, compressobj, crc32, decompress  # type: ignore[assignment]

    combine = combined
