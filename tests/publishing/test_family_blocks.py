"""A family's lines: in the order of their slots, under one CRC, whatever was put where in which order."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import inflate
from exporter.insights.own_families import PROJECT_INFO
from exporter.publishing.blocks import BLOCK, Splice
from exporter.publishing.family_blocks import FamilyBlocks

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 5 * BLOCK
EMPTY = FamilyBlocks(PROJECT_INFO)
texts = st.one_of(st.binary(max_size=40), st.integers(0, 9).map(lambda number: b'name{label="%d"} 1.0\n' % number * 40))
few = st.dictionaries(st.integers(0, SLOTS - 1), texts, max_size=8)
many = st.lists(texts, max_size=SLOTS).map(lambda found: dict(enumerate(found)))
steps = st.lists(st.one_of(few, many, st.just("repack")), max_size=8)


def plain(family: FamilyBlocks) -> bytes:
    return b"".join(inflate(block.deflated) for block in family.blocks)


def repacked(family: FamilyBlocks) -> FamilyBlocks:
    for number, block in enumerate(family.blocks):
        family = family.with_block(number, block.repacked())
    return family


@given(steps)
def test_lines_stand_in_the_order_of_their_slots_and_the_crc_is_theirs(
    given_steps: list[Mapping[int, bytes] | str],
) -> None:
    family, held = EMPTY, dict.fromkeys(range(SLOTS), b"")
    for step in given_steps:
        if isinstance(step, str):
            family = repacked(family)
        else:
            changed = any(held[slot] != text for slot, text in step.items())
            held |= step
            before, family = family, family.replaced(step)
            assert (family.blocks is not before.blocks) is changed
        assert plain(family) == b"".join(held.values())
        assert family.checksum == (zlib.crc32(plain(family)), len(plain(family)))
        assert all(family.text(slot) == text for slot, text in held.items())


@given(few, few)
def test_what_was_published_before_stays_as_it_was(first: Mapping[int, bytes], second: Mapping[int, bytes]) -> None:
    family = EMPTY.replaced(first)
    before = plain(family)
    family.replaced(second)
    repacked(family)
    assert plain(family) == before


def test_a_family_of_which_all_is_taken_out_has_no_block() -> None:
    family = EMPTY.replaced({0: b"one", SLOTS - 1: b"last"})
    assert family.replaced({SLOTS - 1: b""}).replaced({0: b""}).blocks == ()


def test_what_is_held_already_is_no_change() -> None:
    family = EMPTY.replaced({0: b"a", 1: b"b"})
    assert family.replaced({1: b"b"}).blocks is family.blocks
    assert family.replaced({}).blocks is family.blocks
    assert EMPTY.replaced({5: b""}).blocks is EMPTY.blocks
    assert plain(family.replaced({1: b"a"})) == b"aa"


def test_lines_of_single_slots_are_the_same_whether_anybody_looked_in_between() -> None:
    parts = [b"first 1\n", b"second 2\n", b"third 3\n"]
    looked = unseen = EMPTY.replaced({slot: b"".join(parts) for slot in (3, 4, 40)})
    for number, slot in enumerate((3, 40, 3, 4, 3, 3, 90)):
        change: bytes | Splice = b"another %d\n" % number
        if slot != 90:
            change = Splice((8, len(looked.text(slot)) - 16, 8), (1,), (b"new %d\n" % number,))
        looked, unseen = looked.replaced({slot: change}), unseen.replaced({slot: change})
        assert looked.blocks
    assert plain(unseen) == plain(looked)
    assert unseen.checksum == looked.checksum == (zlib.crc32(plain(looked)), len(plain(looked)))
    assert unseen.text(3) == b"first 1\nnew 5\nthird 3\n"


def test_the_lines_of_a_change_are_put_into_their_block_by_the_next_one_so_that_no_scrape_finds_many() -> None:
    first = EMPTY.replaced({3: b"one\n"})
    second = first.replaced({40: b"two\n"})
    assert [fresh for _, fresh in (first._state, second._state)] == [None, (40, b"two\n")]
    third = second.replaced(dict.fromkeys(range(3), b"many\n"))
    assert [fresh for _, fresh in (second._state, third._state)] == [None, None]


def test_readers_of_lines_that_are_not_yet_in_their_blocks_all_see_the_same() -> None:
    family = EMPTY.replaced({slot: b"line %d\n" % slot * 50 for slot in range(SLOTS)})
    for slot in range(0, SLOTS, 3):
        family = family.replaced({slot: Splice((100, 100, 100), (1,), (b"other %d\n" % slot,))})
    with ThreadPoolExecutor(4) as pool:
        bodies = set(pool.map(lambda _: plain(family), range(8)))
    assert len(bodies) == 1
    assert family.checksum == (zlib.crc32(b"".join(bodies)), len(b"".join(bodies)))
