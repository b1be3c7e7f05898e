"""One gzip member out of pieces that were compressed when they were published.

A fragment is a raw deflate stream ended by a full flush (RFC 1951, RFC 1952): it ends on a byte and
refers to nothing before it, so fragments stand one after another in any order. The member's CRC is
combined from the fragments' CRCs, without their bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from exporter.formats.crc import crc32

try:  # optional: several times faster, nothing else
    from isal.isal_zlib import compress, compressobj, decompress
except ImportError:
    from zlib import compress, compressobj, decompress  # type: ignore[assignment]

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
    return Fragment(compressed(plain), crc32(plain), len(plain)) if plain else NOTHING


def compressed(plain: bytes, *, small: bool = False) -> bytes:
    """A fragment's bytes: as fast as can be, or, some ten times slower, as small as can be."""
    if not plain:
        return b""
    squeeze = (
        zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        if small
        else compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    )
    return squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH)


def packed(plain: bytes) -> bytes:
    """A zlib stream (RFC 1950), for what is kept by itself."""
    return compress(plain, 1)


def unpacked(stream: bytes) -> bytes:
    """What was packed, with or without the faster library."""
    return decompress(stream)


def inflate(deflated: bytes, size: int = zlib.DEF_BUF_SIZE) -> bytes:
    """The plain bytes of one or more fragments that stand one after another; faster with their known size."""
    return zlib.decompress(deflated + FINAL_BLOCK, -zlib.MAX_WBITS, size)


def trailer(crc: int, size: int) -> bytes:
    """What ends the member: an empty last block, the CRC, the length modulo 2**32."""
    return FINAL_BLOCK + struct.pack("<II", crc, size & _WORD)
