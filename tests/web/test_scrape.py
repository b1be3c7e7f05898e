"""The pieces of a body as they are written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.scrape import CHUNK, chunks


@given(st.lists(st.binary(max_size=40)), st.integers(1, 16))
def test_no_byte_is_lost_and_no_write_too_large(pieces: list[bytes], size: int) -> None:
    written = list(chunks(pieces, size))
    assert b"".join(written) == b"".join(pieces)
    assert all(len(write) <= size for write in written)


def test_many_small_pieces_make_few_writes() -> None:
    assert len(list(chunks([b"x" * 100] * 10_000))) == 8


def test_a_large_piece_is_cut_without_being_copied() -> None:
    piece = b"x" * (CHUNK * 3 + 1)
    views = list(chunks([piece]))
    assert [len(view) for view in views] == [CHUNK, CHUNK, CHUNK, 1]
    assert all(isinstance(view, memoryview) and view.obj is piece for view in views)


def test_a_small_piece_before_a_large_one_keeps_its_place() -> None:
    assert [bytes(write) for write in chunks([b"ab", b"cdefgh", b"", b"i"], 3)] == [b"ab", b"cde", b"fgh", b"i"]
