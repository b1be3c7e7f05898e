"""One family over all projects: the blocks of its sample lines, and their checksum.

A project has the same slot in every family. A publication replaces one block of each family that it changes and shares
the others with what was published before: a scrape under way keeps what it began with.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from exporter.formats.crc import combine
from exporter.publishing.blocks import BLOCK, NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.insights.family import Family
    from exporter.publishing.blocks import Block, Splice


class Summed(Protocol):
    """A block, or a pair of what is below it."""

    @property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines, and their length in bytes."""


class Pair:
    """Two neighbors, summed up at the first scrape of them and never again."""

    __slots__ = ("_checksum", "_left", "_right")

    def __init__(self, left: Summed, right: Summed) -> None:
        self._left, self._right = left, right
        self._checksum: tuple[int, int] | None = None

    @property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines, and their length in bytes."""
        if self._checksum is None:
            (left, before), (right, after) = self._left.checksum, self._right.checksum
            self._checksum = combine(left, right, after), before + after
        return self._checksum


@dataclass(frozen=True, eq=False)
class FamilyBlocks:
    """The blocks of one family, in the order of their slots, and pairs above them up to a single one.

    Nothing here is changed once it is made.
    """

    family: Family
    blocks: tuple[Block, ...] = ()
    above: tuple[tuple[Summed, ...], ...] = ()

    @property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines, and their length in bytes."""
        if not self.blocks:
            return 0, 0
        return self.above[-1][0].checksum if self.above else self.blocks[0].checksum

    def text(self, slot: int) -> bytes:
        number = slot // BLOCK
        return self.blocks[number].text(slot % BLOCK) if number < len(self.blocks) else b""

    def replaced(self, changes: Mapping[int, bytes | Splice]) -> FamilyBlocks:
        """The family with these lines in their slots; itself where it holds them already."""
        if len(changes) == 1:  # what nearly every publication needs
            ((slot, change),) = changes.items()
            number, place = divmod(slot, BLOCK)
            known = self.blocks[number] if number < len(self.blocks) else NOTHING
            block = known.replaced({place: change})
            return self if block is known else self.with_blocks({number: block})
        places: defaultdict[int, dict[int, bytes | Splice]] = defaultdict(dict)
        for slot, change in changes.items():
            places[slot // BLOCK][slot % BLOCK] = change
        held = {number: self.blocks[number] if number < len(self.blocks) else NOTHING for number in places}
        new = {number: block.replaced(places[number]) for number, block in held.items()}
        return self.with_blocks({number: block for number, block in new.items() if block is not held[number]})

    def with_blocks(self, new: Mapping[int, Block]) -> FamilyBlocks:
        """The family with some other blocks; itself where there is none. Blocks without lines at the end go."""
        if not new:
            return self
        blocks = list(self.blocks)
        blocks += [NOTHING] * (max(new) + 1 - len(blocks))
        for number, block in new.items():
            blocks[number] = block
        while blocks and not blocks[-1].size:
            blocks.pop()
        return FamilyBlocks(self.family, tuple(blocks), self._above(blocks, new))

    def _above(self, blocks: list[Block], new: Iterable[int]) -> tuple[tuple[Summed, ...], ...]:
        """The pairs above some blocks; those of before where nothing below them is new."""
        same = len(blocks) == len(self.blocks)
        numbers: Iterable[int] = new if same else range(len(blocks))
        below: Sequence[Summed] = blocks
        levels: list[tuple[Summed, ...]] = []
        while len(below) > 1:
            numbers = {number >> 1 for number in numbers}
            level = list(self.above[len(levels)]) if same else [below[0]] * (len(below) + 1 >> 1)
            for number in numbers:
                right = 2 * number + 1
                level[number] = Pair(below[right - 1], below[right]) if right < len(below) else below[right - 1]
            levels.append(tuple(level))
            below = level
        return tuple(levels)
