"""One gzip member out of fragments, and its CRC without their bytes."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.crc import combine
from exporter.formats.deflate import GZIP_HEADER, NOTHING, fragment, inflate, packed, trailer, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pieces = st.lists(st.one_of(st.binary(), st.binary(max_size=50).map(lambda piece: piece * 1000)), max_size=6)


def member(plain: list[bytes]) -> bytes:
    fragments = [fragment(piece) for piece in plain]
    crc = size = 0
    for each in fragments:
        crc, size = combine(crc, each.crc, each.size), size + each.size
    return GZIP_HEADER + b"".join(each.deflated for each in fragments) + trailer(crc, size)


@given(pieces)
def test_fragments_one_after_another_are_one_gzip_member(plain: list[bytes]) -> None:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert stream.decompress(member(plain)) == b"".join(plain)
    assert stream.eof
    assert stream.unused_data == b""


@given(pieces)
def test_fragments_inflate_to_what_they_were(plain: list[bytes]) -> None:
    assert inflate(b"".join(fragment(piece).deflated for piece in plain)) == b"".join(plain)


def test_nothing_compresses_to_nothing() -> None:
    assert fragment(b"") is NOTHING
    assert gzip.decompress(member([b"", b""])) == b""


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
        "sys.stdout.buffer.write(deflate.packed(piece.deflated))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=packed(text), capture_output=True, check=True)
    assert inflate(unpacked(done.stdout)) == text
