"""One family over all projects: the blocks of its sample lines, and their checksum.

A project has the same slot in every family. A publication replaces one block of each family that it changes and shares
the others with what was published before: a scrape under way keeps what it began with.
"""

from __future__ import annotations

from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from exporter.formats.crc import combine
from exporter.publishing.blocks import BLOCK, NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.insights.family import Family
    from exporter.publishing.blocks import Block, Splice

    Change = tuple[int, bytes | Splice]
    """A slot and its lines."""
    Changes = Mapping[int, bytes | Splice]
    """Lines by their slots."""


class FamilyBlocks:
    """The blocks of one family, in the order of their slots.

    The lines of a single slot are put into its block when somebody first wants the blocks: that takes longer than all
    else of a publication, which shows them before. Whoever comes first does it, be it a scrape or the next change.
    """

    def __init__(self, family: Family, blocks: tuple[Block, ...] = (), fresh: Change | None = None) -> None:
        """Begin with some blocks, and lines of one slot that are still to be put into them."""
        self.family = family
        self._state = blocks, fresh  # replaced as one: any thread may put the lines, and another one meanwhile

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.settle()

    def settle(self) -> tuple[Block, ...]:
        """Put the lines into the blocks, once; returns these."""
        blocks, fresh = self._state
        if fresh is not None:
            slot, lines = fresh
            number, place = divmod(slot, BLOCK)
            known = _at(blocks, number)
            blocks = _with(blocks, number, known, known.with_place(place, lines))
            self._state = blocks, None
        return blocks

    @cached_property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines, and their length in bytes."""
        crc = size = 0
        for block in self.blocks:
            own, length = block.checksum
            crc, size = combine(crc, own, length), size + length
        return crc, size

    def text(self, slot: int) -> bytes:
        number = slot // BLOCK
        return self.blocks[number].text(slot % BLOCK) if number < len(self.blocks) else b""

    def replaced(self, changes: Changes) -> FamilyBlocks:
        """The family with these lines in their slots; neighbors that come together are compressed together, at once."""
        if len(changes) == 1:
            (change,) = changes.items()
            return FamilyBlocks(self.family, self.settle(), change)
        blocks = self.settle()
        for number, slots in groupby(sorted(changes), lambda slot: slot // BLOCK):
            known = _at(blocks, number)
            blocks = _with(blocks, number, known, known.replaced({slot % BLOCK: changes[slot] for slot in slots}))
        return FamilyBlocks(self.family, blocks)

    def with_block(self, number: int, block: Block) -> FamilyBlocks:
        """The family with another block at a number."""
        blocks = self.settle()
        return FamilyBlocks(self.family, _with(blocks, number, _at(blocks, number), block))


def _at(blocks: tuple[Block, ...], number: int) -> Block:
    return blocks[number] if number < len(blocks) else NOTHING


def _with(before: tuple[Block, ...], number: int, known: Block, block: Block) -> tuple[Block, ...]:
    """Another block in the place of a known one; blocks without lines at the end go."""
    if block is known:
        return before
    gap = (NOTHING,) * (number - len(before))
    blocks = (*before[:number], *gap, block, *before[number + 1 :])
    while blocks and not blocks[-1].size:
        blocks = blocks[:-1]
    return blocks
