"""One family over all projects: compressed pieces in blocks, and a tree of their CRCs.

So a publication copies one block and combines a logarithm of CRCs, and a scrape does neither.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

from exporter.formats import deflate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.formats.deflate import Fragment

BLOCK = 64
"""Slots whose pieces lie together."""


class Column:
    """One family over all projects: a piece a slot, and the CRC and length of all of them together.

    Pieces of neighboring slots lie together in blocks: a scrape has few things to send, and a change little to copy.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.blocks = [b""] * -(-slots // BLOCK)
        self._lengths = array("I", bytes(4 * slots))
        # Node i sums up nodes 2i and 2i + 1; the second half are the slots.
        self._crcs, self._sizes = array("I", bytes(8 * slots)), array("Q", bytes(16 * slots))

    @property
    def crc(self) -> int:
        """The CRC-32 of all plain lines."""
        return self._crcs[1]

    @property
    def size(self) -> int:
        """The length of all plain lines, in bytes."""
        return self._sizes[1]

    def set(self, pieces: Mapping[int, Fragment]) -> bool:
        """Put pieces into slots, and sum up each node above a new one once; returns whether any is new."""
        new = [slot for slot, piece in pieces.items() if not self._holds(slot, piece)]
        blocks: defaultdict[int, list[int]] = defaultdict(list)
        for slot in sorted(new):
            blocks[slot // BLOCK].append(slot)
            self._crcs[self.slots + slot], self._sizes[self.slots + slot] = pieces[slot].crc, pieces[slot].size
        for block, slots in blocks.items():
            self._replace(block, slots, pieces)
        nodes = {self.slots + slot for slot in new}
        while nodes := {node >> 1 for node in nodes} - {0}:
            for node in nodes:
                self._sum(node)
        return bool(new)

    def grown(self, slots: int) -> Column:
        """The same with more slots."""
        bigger = Column(slots)
        bigger.blocks[: len(self.blocks)] = self.blocks
        bigger._lengths[: self.slots] = self._lengths
        bigger._crcs[slots : slots + self.slots] = self._crcs[self.slots :]
        bigger._sizes[slots : slots + self.slots] = self._sizes[self.slots :]
        for node in range(slots - 1, 0, -1):
            bigger._sum(node)
        return bigger

    def _start(self, slot: int) -> int:
        return sum(self._lengths[slot // BLOCK * BLOCK : slot])

    def _holds(self, slot: int, piece: Fragment) -> bool:
        """Whether a piece is in its slot already."""
        node = self.slots + slot
        if self._crcs[node] != piece.crc or self._sizes[node] != piece.size:
            return False
        start = self._start(slot)
        return self.blocks[slot // BLOCK][start : start + self._lengths[slot]] == piece.deflated

    def _replace(self, block: int, slots: Iterable[int], pieces: Mapping[int, Fragment]) -> None:
        old, done = self.blocks[block], 0
        parts: list[bytes] = []
        starts = [(slot, self._start(slot)) for slot in slots]
        for slot, start in starts:
            parts += (old[done:start], pieces[slot].deflated)
            done = start + self._lengths[slot]
            self._lengths[slot] = len(pieces[slot].deflated)
        self.blocks[block] = b"".join((*parts, old[done:]))

    def _sum(self, node: int) -> None:
        crcs, sizes, left, right = self._crcs, self._sizes, 2 * node, 2 * node + 1
        crcs[node] = deflate.combine(crcs[left], crcs[right], sizes[right])
        sizes[node] = sizes[left] + sizes[right]
