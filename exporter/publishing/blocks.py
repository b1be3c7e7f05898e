"""Blocks: the sample lines of one family in neighboring slots, compressed as one fragment.

A project has the same slot in every family. A publication leaves its lines beside the blocks of each family that it
changes and shares all else with what was published before: a scrape under way keeps what it began with.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING

from exporter.formats.deflate import fragment, inflate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.formats.deflate import Fragment
    from exporter.insights.family import Family

    Place = tuple[int, int]
    """The number of a block's first slot by `BLOCK`, and the slot that it is of alone, or TOGETHER."""

BLOCK = 32
"""Slots of a block: the more, the fewer bytes they take compressed, and the more a change costs."""
LARGE = 1 << 16
"""Bytes of lines that are a block of their own, so that what a change costs does not depend on its neighbors."""
MOST_FRESH = 1 << 17
"""Bytes of lines that may wait to be compressed when others come."""
QUIET = 2
"""Looks at which a block was the same, after which it is worth the time to compress it well."""
TOGETHER = -1


class Block:
    """Compressed lines of one family, by their slots. The lines stay; they may come to be compressed better."""

    __slots__ = ("_looks", "_sizes", "_slots", "fragment")

    def __init__(self, lines: Mapping[int, bytes]) -> None:
        """Compress the lines, fast."""
        self._slots, self._sizes = array("I", lines), array("I", map(len, lines.values()))
        self.fragment: Fragment = fragment(b"".join(lines.values()))
        self._looks = 0

    def __bool__(self) -> bool:
        return bool(self._slots)

    def lines(self) -> dict[int, bytes]:
        text, start, lines = inflate(self.fragment.deflated, self.fragment.size), 0, {}
        for slot, size in zip(self._slots, self._sizes, strict=True):
            lines[slot] = text[start : start + size]
            start += size
        return lines

    def replaced(self, changes: Mapping[int, bytes]) -> Block:
        """A block with these lines in their slots; itself where it has them already."""
        before = self.lines() if self else {}
        after = {**before, **changes}
        lines = {slot: after[slot] for slot in sorted(after) if after[slot]}
        return self if lines == before else Block(lines)

    def look(self) -> bool:
        """Whether it has just become quiet; asked by one thread, now and then."""
        self._looks += 1
        return self._looks == QUIET

    def squeeze(self) -> None:
        """Compress the same lines as small as can be, which takes much longer than a change."""
        self.fragment = fragment(inflate(self.fragment.deflated, self.fragment.size), small=True)


NOTHING = Block({})


class FamilyBlocks:
    """The blocks of one family over all projects, and fresh lines by their slots.

    Fresh lines are put into blocks when somebody first wants the blocks: that takes longer than all else of
    a publication, which shows them before. Whoever comes first does it, be it a thread that waits for them or a scrape.
    """

    def __init__(
        self,
        family: Family,
        blocks: Mapping[Place, Block] = MappingProxyType({}),
        fresh: Mapping[int, bytes] = MappingProxyType({}),
    ) -> None:
        """Begin with some blocks, and with lines that are still to be put into them."""
        self.family = family
        self._state = blocks, fresh  # replaced as one: any thread may put the lines, and another one meanwhile

    def blocks(self) -> Mapping[Place, Block]:
        """The blocks in the order of a scrape, each with lines."""
        blocks, fresh = self._state
        if fresh:
            blocks = _put(blocks, fresh)
            self._state = blocks, {}
        return blocks

    def with_lines(self, slot: int, lines: bytes) -> FamilyBlocks:
        """The family with these lines in a slot."""
        blocks, fresh = self._state
        if sum(map(len, fresh.values())) > MOST_FRESH:
            blocks, fresh = self.blocks(), {}
        return FamilyBlocks(self.family, blocks, {**fresh, slot: lines})


def _put(blocks: Mapping[Place, Block], fresh: Mapping[int, bytes]) -> Mapping[Place, Block]:
    changes: defaultdict[Place, dict[int, bytes]] = defaultdict(dict)
    for slot, lines in fresh.items():
        together, alone = (slot // BLOCK, TOGETHER), (slot // BLOCK, slot)
        is_large = len(lines) >= LARGE
        changes[together][slot] = b"" if is_large else lines
        changes[alone][slot] = lines if is_large else b""
    after = {**blocks, **{place: blocks.get(place, NOTHING).replaced(lines) for place, lines in changes.items()}}
    return {place: after[place] for place in sorted(after) if after[place]}
