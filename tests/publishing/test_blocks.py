"""A block's fragments: what is compressed together, what a change breaks, and how small it can get."""

from __future__ import annotations

from exporter.formats.deflate import inflate
from exporter.publishing.blocks import BLOCK, Block
from tests.publishing.test_family_blocks import EMPTY, repacked


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
