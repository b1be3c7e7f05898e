"""One gzip member out of fragments, and its CRC without their bytes."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import NOTHING, Joined, combined, fragment, inflate, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pieces = st.lists(st.one_of(st.binary(), st.binary(max_size=50).map(lambda piece: piece * 1000)), max_size=6)


def member(plain: list[bytes], *, small: bool = False) -> bytes:
    return b"".join(Joined().followed_by(fragment(piece, small=small) for piece in plain).member())


@given(pieces, st.booleans())
def test_fragments_one_after_another_are_one_gzip_member(plain: list[bytes], small: bool) -> None:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert stream.decompress(member(plain, small=small)) == b"".join(plain)
    assert stream.eof
    assert stream.unused_data == b""


@given(pieces, pieces)
def test_what_is_joined_has_the_crc_and_the_length_of_all(first: list[bytes], second: list[bytes]) -> None:
    joined = Joined().followed_by(map(fragment, first)).followed_by(map(fragment, second))
    plain = b"".join(first + second)
    assert (joined.crc, joined.size) == (zlib.crc32(plain), len(plain))


@given(pieces)
def test_fragments_inflate_to_what_they_were(plain: list[bytes]) -> None:
    assert inflate(b"".join(fragment(piece).deflated for piece in plain)) == b"".join(plain)


def test_nothing_compresses_to_nothing() -> None:
    assert fragment(b"") is NOTHING
    assert gzip.decompress(member([b"", b""])) == b""


@given(st.binary(), st.binary(max_size=300), st.integers(1, 5000))
def test_a_crc_is_combined_from_those_of_two_pieces_without_the_faster_library(
    first: bytes, second: bytes, times: int
) -> None:
    second *= times
    assert combined(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_the_gzip_program_reads_it(tmp_path: Path, program: Callable[[str], Path]) -> None:
    file = tmp_path / "metrics.gz"
    file.write_bytes(member([b"circleci_exporter_up 1.0\n" * 1000, b"", b"# EOF\n"]))
    listed = subprocess.run([program("gzip"), "-t", file], capture_output=True, check=False)
    assert (listed.returncode, listed.stderr) == (0, b"")


def test_without_the_faster_library_all_is_the_same_to_a_reader() -> None:
    text = b"circleci_exporter_up 1.0\n" * 1000
    program = (
        "import sys; sys.modules['isal'] = None\n"
        "from exporter.formats import deflate\n"
        "piece = deflate.fragment(deflate.unpacked(sys.stdin.buffer.read()))\n"
        "joined = deflate.Joined().followed_by([piece, piece])\n"
        "sys.stdout.buffer.write(deflate.packed(b''.join(joined.member())))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=packed(text), capture_output=True, check=True)
    assert gzip.decompress(unpacked(done.stdout)) == 2 * text
