"""A family's pieces: in the order of their slots, under one CRC, whatever was put where in which order."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import NOTHING, fragment, inflate
from exporter.publishing.columns import BLOCK, Column

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 4 * BLOCK
pieces = st.dictionaries(st.integers(0, SLOTS - 1), st.binary(max_size=40), max_size=8)


def plain(column: Column) -> bytes:
    return b"".join(map(inflate, column.blocks))


@given(st.lists(pieces, max_size=6))
def test_pieces_stand_in_the_order_of_their_slots_and_the_crc_is_theirs(steps: list[Mapping[int, bytes]]) -> None:
    column, held = Column(SLOTS), dict.fromkeys(range(SLOTS), b"")
    for step in steps:
        changed = any(held[slot] != piece for slot, piece in step.items())
        held |= step
        assert column.set({slot: fragment(piece) for slot, piece in step.items()}) is changed
        assert plain(column) == b"".join(held.values())
        assert (column.crc, column.size) == (zlib.crc32(plain(column)), len(plain(column)))


@given(pieces)
def test_a_column_that_has_grown_holds_what_it_held(given_pieces: Mapping[int, bytes]) -> None:
    small = Column(SLOTS)
    small.set({slot: fragment(piece) for slot, piece in given_pieces.items()})
    grown = small.grown(2 * SLOTS)
    assert (plain(grown), grown.crc, grown.size) == (plain(small), small.crc, small.size)
    assert grown.set({2 * SLOTS - 1: fragment(b"last")})
    assert plain(grown) == plain(small) + b"last"
    assert grown.crc == zlib.crc32(plain(grown))


def test_a_piece_that_is_taken_out_leaves_nothing() -> None:
    column = Column(1)
    column.set({0: fragment(b"one")})
    assert column.set({0: NOTHING})
    assert (column.blocks, column.crc, column.size) == ([b""], 0, 0)


def test_what_is_held_already_is_no_change() -> None:
    column = Column(2)
    assert column.set({0: fragment(b"a"), 1: fragment(b"b")})
    assert not column.set({1: fragment(b"b")})
    assert not column.set({})
    assert column.set({1: fragment(b"a")})
    assert plain(column) == b"aa"
