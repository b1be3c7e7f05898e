"""A family's lines: in the order of their slots, under one CRC, whatever was put where in which order."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import inflate
from exporter.insights.own_families import PROJECT_INFO
from exporter.publishing.blocks import BLOCK
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
        family = family.with_blocks({number: block.repacked()})
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
            assert (family is not before) is changed
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
    assert family.replaced({1: b"b"}) is family
    assert family.replaced({}) is family
    assert EMPTY.replaced({5: b""}) is EMPTY
    assert plain(family.replaced({1: b"a"})) == b"aa"


def test_what_was_summed_up_for_one_scrape_is_not_summed_up_again_for_the_next() -> None:
    family = EMPTY.replaced({slot: b"line %d" % slot for slot in range(SLOTS)})
    assert family.checksum == (zlib.crc32(plain(family)), len(plain(family)))
    changed = family.replaced({0: b"other"})
    assert len(family.above) == 3  # 5 blocks, 3 pairs, 2, 1
    for level, before in zip(changed.above, family.above, strict=True):
        assert [node is not known for node, known in zip(level, before, strict=True)] == [True] + [False] * (
            len(level) - 1
        )
    assert changed.checksum == (zlib.crc32(plain(changed)), len(plain(changed)))
