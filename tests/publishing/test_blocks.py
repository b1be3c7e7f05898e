"""A family's lines: in the order of their slots, under one CRC, whatever was put where in which order."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import inflate
from exporter.insights.families import PROJECT_INFO
from exporter.publishing.blocks import BLOCK, Block, FamilyBlocks

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 3 * BLOCK
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


def lines(slot: int, value: float) -> bytes:
    return b"".join(
        b'circleci_insights_job_runs{job_name="job-%d",project="gh/acme/service-%04d"} %r\n' % (job, slot, value + job)
        for job in range(40)
    )


def fragments(block: Block) -> list[int]:
    """How many places with lines each fragment has."""
    used = [block.firsts[place] for place in range(BLOCK) if block.sizes[BLOCK + place]]
    return [used.count(first) for first in dict.fromkeys(used)]


def test_neighbors_that_come_together_are_compressed_together() -> None:
    (block,) = EMPTY.replaced({slot: lines(slot, 1.5) for slot in range(BLOCK - 1)}).blocks
    assert fragments(block) == [BLOCK - 1]


def test_a_change_takes_its_slot_out_of_its_fragment_and_leaves_the_others_as_they_are() -> None:
    family = EMPTY.replaced({slot: lines(slot, 1.5) for slot in range(BLOCK)})
    changed = family.replaced({3: lines(3, 2.5)})
    assert fragments(changed.blocks[0]) == [3, 1, BLOCK - 4]
    rest = changed.replaced({9: lines(9, 2.5)})
    assert fragments(rest.blocks[0]) == [3, 1, 5, 1, BLOCK - 10]
    length = changed.blocks[0].lengths[0]
    assert length
    assert rest.blocks[0].deflated[:length] == changed.blocks[0].deflated[:length]
    assert fragments(rest.replaced({3: lines(3, 3.5)}).blocks[0]) == [3, 1, 5, 1, BLOCK - 10]


def test_repacking_makes_the_fewest_bytes() -> None:
    family = EMPTY
    for slot in range(BLOCK):
        family = family.replaced({slot: lines(slot, 1.5)})
    (loose,) = family.blocks
    packed = loose.repacked()
    assert fragments(loose) == [1] * BLOCK
    assert fragments(packed) == [BLOCK]
    assert len(packed.deflated) < len(loose.deflated) / 2
    assert inflate(packed.deflated) == inflate(loose.deflated)


def test_places_without_lines_are_no_gaps_between_neighbors() -> None:
    texts = {slot: lines(slot, 1.5) for slot in range(0, BLOCK, 2)}
    for family in (EMPTY.replaced(texts), repacked(EMPTY.replaced(texts))):
        assert fragments(family.blocks[0]) == [BLOCK // 2]
        filled = family.replaced({1: lines(1, 1.5)})
        assert [filled.text(slot) for slot in range(3)] == [lines(slot, 1.5) for slot in range(3)]
        assert fragments(filled.blocks[0]) == [1, 1, BLOCK // 2 - 1]


def test_a_block_is_worth_packing_again_when_more_than_a_quarter_of_it_is_loose() -> None:
    family = EMPTY.replaced({slot: lines(slot, 1.5) for slot in range(BLOCK)})
    assert family.blocks[0].is_loose
    packed = repacked(family)
    assert not packed.blocks[0].is_loose
    broken = packed.replaced({3: lines(3, 2.5)})
    assert broken.blocks[0].is_loose  # with its neighbors of before
    assert not repacked(broken).blocks[0].is_loose
    ends = repacked(EMPTY.replaced({slot: lines(slot, 1.5) for slot in range(2 * BLOCK)}))
    assert [block.is_loose for block in ends.replaced({0: lines(0, 2.5)}).blocks] == [True, False]
