"""CRC-32, and the CRC of joined pieces from those of each, without their bytes.

By the algebra of GF(2), the CRC of A before B is that of A moved over B's length, xor that of B.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Tables = tuple[array[int], array[int], array[int], array[int]]  # where each byte of a CRC goes, the lowest first

_WORD = 0xFFFFFFFF
# A short length is moved over by the CRC of so many zero bytes, in C; a longer one by tables, for 4 bits at a time.
_TABLES_FROM = 3
_ZEROS = memoryview(bytes(16**_TABLES_FROM))


@cache
def _tables(place: int, digit: int) -> Tables:
    """Tables that move a CRC over `digit * 16**place` bytes."""

    def move(crc: int) -> int:
        if digit > 1:
            return _moved(_moved(crc, _tables(place, digit - 1)), _tables(place, 1))
        if place > _TABLES_FROM:
            return _moved(_moved(crc, _tables(place - 1, 15)), _tables(place - 1, 1))
        return zlib.crc32(_ZEROS, crc ^ _WORD) ^ _WORD

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


def combined(crc: int, following: int, size: int) -> int:
    """`combine` in Python: the standard library does not offer zlib's."""
    if low := size & len(_ZEROS) - 1:
        crc = zlib.crc32(_ZEROS[:low], crc ^ _WORD) ^ _WORD
    place, size = _TABLES_FROM, size >> 4 * _TABLES_FROM
    while size:
        if digit := size & 15:
            first, second, third, fourth = _tables(place, digit)
            crc = first[crc & 255] ^ second[crc >> 8 & 255] ^ third[crc >> 16 & 255] ^ fourth[crc >> 24]
        size >>= 4
        place += 1
    return crc ^ following


crc32: Callable[[bytes], int]
"""The CRC-32 of plain bytes."""
combine: Callable[[int, int, int], int]
"""The CRC of two pieces, from the CRC of each and the length of the second."""
try:  # optional: several times faster, nothing else
    from isal.isal_zlib import crc32
    from isal.isal_zlib import crc32_combine as combine
except ImportError:
    crc32, combine = zlib.crc32, combined
