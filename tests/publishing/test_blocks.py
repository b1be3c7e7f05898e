"""A family's lines: each slot's own, whatever was put where in which order, in few fragments."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import Joined, inflate
from exporter.insights.own_families import PROJECT_INFO
from exporter.publishing.blocks import BLOCK, LARGE, MOST_FRESH, QUIET, FamilyBlocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.publishing.blocks import Block

SLOTS = 3 * BLOCK
EMPTY = FamilyBlocks(PROJECT_INFO)
texts = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 9).map(lambda number: b'name{label="%d"} 1.0\n' % number * 40),
    st.integers(0, 9).map(lambda number: b"%d" % number * LARGE),
)
few = st.dictionaries(st.integers(0, SLOTS - 1), texts, max_size=8)
many = st.lists(texts, max_size=SLOTS).map(lambda found: dict(enumerate(found)))
steps = st.lists(st.one_of(few, many, st.sampled_from(["settle", "squeeze"])), max_size=8)


def with_lines(family: FamilyBlocks, lines: Mapping[int, bytes]) -> FamilyBlocks:
    for slot, text in lines.items():
        family = family.with_lines(slot, text)
    return family


def blocks(family: FamilyBlocks) -> list[Block]:
    return [*family.blocks().values()]


def plain(family: FamilyBlocks) -> bytes:
    return b"".join(inflate(block.fragment.deflated) for block in blocks(family))


def lines(slot: int, value: float = 1.5, jobs: int = 40) -> bytes:
    return b"".join(
        b'circleci_insights_job_runs{job_name="job-%d",project="gh/acme/service-%04d"} %r\n' % (job, slot, value + job)
        for job in range(jobs)
    )


@given(steps)
def test_each_slot_has_the_lines_that_it_was_given_last(given_steps: list[Mapping[int, bytes] | str]) -> None:
    family, held = EMPTY, dict[int, bytes]()
    for step in given_steps:
        if not isinstance(step, str):
            family, held = with_lines(family, step), {**held, **step}
            continue
        for block in blocks(family) if step == "squeeze" else ():
            block.squeeze()
        found = {slot: text for block in blocks(family) for slot, text in block.lines().items()}
        assert found == {slot: text for slot, text in held.items() if text}
        assert sum(len(block.lines()) for block in blocks(family)) == len(found), "no slot stands twice"
        assert Joined().followed_by(block.fragment for block in blocks(family)).size == len(plain(family))


@given(few, few)
def test_what_was_published_before_stays_as_it_was(first: Mapping[int, bytes], second: Mapping[int, bytes]) -> None:
    family = with_lines(EMPTY, first)
    before = plain(family)
    assert plain(with_lines(family, second)) is not None
    for block in blocks(family):
        block.squeeze()
    assert plain(family) == before


def test_neighbors_are_compressed_together_however_they_came() -> None:
    at_once = with_lines(EMPTY, {slot: lines(slot) for slot in range(BLOCK + 1)})
    one_by_one = EMPTY
    for slot in range(BLOCK + 1):
        one_by_one = one_by_one.with_lines(slot, lines(slot))
        assert one_by_one.blocks()
    for family in (at_once, one_by_one):
        assert [len(block.lines()) for block in blocks(family)] == [BLOCK, 1]
    assert len(blocks(one_by_one)[0].fragment.deflated) < BLOCK * len(blocks(one_by_one)[1].fragment.deflated)


def test_a_family_of_which_all_is_taken_out_has_no_block() -> None:
    family = with_lines(EMPTY, {0: b"one", SLOTS - 1: b"last"})
    assert with_lines(family, {SLOTS - 1: b"", 0: b""}).blocks() == {}


def test_a_block_that_holds_the_lines_already_is_the_same() -> None:
    family = with_lines(EMPTY, {0: b"a", 1: b"b", BLOCK: b"c"})
    first, second = blocks(family)
    assert blocks(with_lines(family, {1: b"b", BLOCK: b"d"}))[0] is first
    assert blocks(with_lines(family, {1: b"a"})) != [first, second]
    assert blocks(with_lines(family, {5: b""})) == [first, second]


def test_many_lines_of_one_project_are_a_block_of_their_own_and_leave_its_neighbors_alone() -> None:
    family = with_lines(EMPTY, {slot: lines(slot) for slot in range(4)})
    (together,) = blocks(family)
    large = family.with_lines(4, lines(4, jobs=1000))
    assert [list(block.lines()) for block in blocks(large)] == [[0, 1, 2, 3], [4]]
    assert blocks(large)[0] is together
    assert blocks(large.with_lines(2, lines(2, 2.5)))[1] is blocks(large)[1]
    small = large.with_lines(2, lines(2, jobs=1000)).with_lines(4, lines(4))
    assert [list(block.lines()) for block in blocks(small)] == [[0, 1, 3, 4], [2]]


def test_lines_wait_to_be_compressed_but_not_too_many_of_them() -> None:
    waiting = EMPTY.with_lines(0, b"x" * MOST_FRESH).with_lines(1, b"y")
    assert len(waiting._state[1]) == 2
    assert list(waiting.with_lines(2, b"z")._state[1]) == [2]


def test_a_block_is_quiet_once_when_it_was_looked_at_and_squeezed_it_is_smaller() -> None:
    (block,) = blocks(with_lines(EMPTY, {slot: lines(slot) for slot in range(BLOCK)}))
    assert [block.look() for _ in range(4)] == [number == QUIET for number in range(1, 5)]
    before, known = block.fragment, block.lines()
    block.squeeze()
    assert len(block.fragment.deflated) < len(before.deflated)
    assert (block.fragment.crc, block.fragment.size, block.lines()) == (before.crc, before.size, known)


def test_readers_of_lines_that_are_not_yet_in_their_blocks_all_see_the_same() -> None:
    family = with_lines(EMPTY, {slot: lines(slot) for slot in range(SLOTS)})
    family.blocks()
    for slot in range(0, SLOTS, 9):
        family = family.with_lines(slot, lines(slot, 2.5))
    with ThreadPoolExecutor(4) as pool:
        (body,) = set(pool.map(lambda _: plain(family), range(8)))
    assert sorted(body.splitlines()) == sorted(
        line for slot in range(SLOTS) for line in lines(slot, 1.5 if slot % 9 else 2.5).splitlines()
    )
