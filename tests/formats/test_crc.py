"""The CRC of joined pieces, without their bytes."""

from __future__ import annotations

import subprocess
import sys
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.crc import combine, combined, crc32


@given(st.binary())
def test_a_crc_is_that_of_zlib(plain: bytes) -> None:
    assert crc32(plain) == zlib.crc32(plain)


@given(st.binary(), st.binary(max_size=300), st.integers(1, 5000))
def test_a_crc_is_combined_from_those_of_two_pieces(first: bytes, second: bytes, times: int) -> None:
    second *= times
    for way in (combine, combined):
        assert way(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_a_crc_moves_over_more_than_four_gigabytes() -> None:
    # Moving over a and then over b is moving over a + b: no body of that size is needed.
    crc, first, second = zlib.crc32(b"circleci"), 2**32 + 12345, 2**31 + 67
    for way in (combine, combined):
        assert way(way(crc, 0, first), 0, second) == way(crc, 0, first + second)
    assert combine(crc, 0, first + second) == combined(crc, 0, first + second)


def test_without_the_faster_library_the_crc_is_the_same() -> None:
    program = (
        "import sys, zlib; sys.modules['isal'] = None\n"
        "from exporter.formats.crc import combine, crc32\n"
        "assert crc32 is zlib.crc32\n"
        "for size in (0, 1, 4095, 4096, 65535, 70_000, 1_500_000):\n"
        "    second = bytes(range(256)) * (size // 256) + bytes(size % 256)\n"
        "    assert combine(crc32(b'first'), crc32(second), size) == crc32(b'first' + second), size\n"
        "print('the same')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"the same\n"
