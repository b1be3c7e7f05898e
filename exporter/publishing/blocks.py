"""One family over all projects: its sample lines, compressed in blocks of neighboring projects.

A project has the same slot in every family. A publication replaces one block of each family that it changes and shares
the others with what was published before: a scrape under way keeps what it began with.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from exporter.formats.crc import combine, crc32
from exporter.formats.deflate import compressed, inflate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.insights.families import Family

BLOCK = 32
"""Slots of a block."""
FRAGMENT = 16
"""Most neighbors in a fragment, compressed as one: the more, the fewer bytes they take, and the more a change costs."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The lines of one family in neighboring slots, in fragments that are compressed as one each.

    A place is a slot's number within its block. `firsts` holds for each place the first one of its fragment, `lengths`
    for the first place of each fragment its compressed bytes. `crcs` and `sizes` are binary trees over the plain lines:
    node i sums up nodes 2i and 2i + 1, and the second half are the places. Nothing here is changed once it is made.
    """

    deflated: bytes
    firsts: bytes
    lengths: array[int]
    crcs: array[int]
    sizes: array[int]

    @property
    def crc(self) -> int:
        """The CRC-32 of all plain lines."""
        return self.crcs[1]

    @property
    def size(self) -> int:
        """The length of all plain lines, in bytes."""
        return self.sizes[1]

    @property
    def scattered(self) -> int:
        """How many fragments there are beyond those that are needed."""
        used = [place for place in range(BLOCK) if self.sizes[BLOCK + place]]
        return len({self.firsts[place] for place in used}) - len({place // FRAGMENT for place in used})

    def text(self, place: int) -> bytes:
        """The plain lines at a place."""
        return self._texts(self.firsts[place])[place]

    def replaced(self, texts: Mapping[int, bytes]) -> Block:
        """The block with these lines at their places; itself where it holds them already."""
        new = {place: text for place, text in texts.items() if not self._holds(place, text)}
        if not new:
            return self
        crcs, sizes = self._sums(new)
        if len(new) == 1:
            ((place, text),) = new.items()
            if self.firsts.count(self.firsts[place]) == 1:
                return self._with_lone(place, compressed(text), crcs, sizes)
        broken = {self.firsts[place] for place in new}
        texts = {place: text for first in broken for place, text in self._texts(first).items()} | new

        def together(place: int) -> tuple[bool, int]:
            """New neighbors make a fragment, what is left of a broken one makes one, any other stays as it is."""
            first = self.firsts[place]
            unused = first == place and not self.lengths[place]
            return (True, -1 - place // FRAGMENT) if place in new or unused else (first in broken, first)

        return _built(
            (
                (
                    places,
                    compressed(b"".join([texts.get(place, b"") for place in places]))
                    if anew
                    else self._fragment(first),
                )
                for (anew, first), places in _groups(together)
            ),
            crcs,
            sizes,
        )

    def repacked(self) -> Block:
        """The same lines in the fewest fragments and bytes; it takes much longer than a change."""
        texts = {place: text for first in set(self.firsts) for place, text in self._texts(first).items()}
        groups = _groups(lambda place: (True, place // FRAGMENT))
        return _built(
            ((places, compressed(b"".join([texts[place] for place in places]), small=True)) for _, places in groups),
            self.crcs,
            self.sizes,
        )

    def _holds(self, place: int, text: bytes) -> bool:
        """Whether a place has these lines; the checksum alone could err."""
        node = BLOCK + place
        return self.sizes[node] == len(text) and self.crcs[node] == crc32(text) and self.text(place) == text

    def _fragment(self, first: int) -> bytes:
        """The compressed bytes of a fragment."""
        start = sum(self.lengths[:first])
        return self.deflated[start : start + self.lengths[first]]

    def _texts(self, first: int) -> dict[int, bytes]:
        """The plain lines of a fragment by their places."""
        text, start, texts = inflate(self._fragment(first)), 0, {}
        for place in range(first, first + self.firsts.count(first)):
            end = start + self.sizes[BLOCK + place]
            texts[place] = text[start:end]
            start = end
        return texts

    def _with_lone(self, place: int, piece: bytes, crcs: array[int], sizes: array[int]) -> Block:
        """The block with another fragment of one place: what nearly every publication needs."""
        start = sum(self.lengths[:place])
        end = start + self.lengths[place]
        lengths = self.lengths[:]
        lengths[place] = len(piece)
        return Block(b"".join((self.deflated[:start], piece, self.deflated[end:])), self.firsts, lengths, crcs, sizes)

    def _sums(self, new: Mapping[int, bytes]) -> tuple[array[int], array[int]]:
        """The trees with new lines; each node above some of them is summed up once."""
        crcs, sizes = self.crcs[:], self.sizes[:]
        nodes = set()
        for place, text in new.items():
            node = BLOCK + place
            crcs[node], sizes[node] = crc32(text), len(text)
            nodes.add(node >> 1)
        while nodes:
            for node in nodes:
                left, right = 2 * node, 2 * node + 1
                crcs[node] = combine(crcs[left], crcs[right], sizes[right])
                sizes[node] = sizes[left] + sizes[right]
            nodes = {node >> 1 for node in nodes} - {0}
        return crcs, sizes


NOTHING = Block(b"", bytes(range(BLOCK)), *(array("I", bytes(4 * count * BLOCK)) for count in (1, 2, 2)))
"""A block without a line."""


def _groups(key: Callable[[int], tuple[bool, int]]) -> Iterable[tuple[tuple[bool, int], tuple[int, ...]]]:
    """Neighboring places of the same key."""
    return ((found, tuple(places)) for found, places in groupby(range(BLOCK), key))


def _built(fragments: Iterable[tuple[tuple[int, ...], bytes]], crcs: array[int], sizes: array[int]) -> Block:
    """A block of these fragments: the places of each, and its compressed bytes."""
    firsts, lengths, pieces = bytearray(BLOCK), array("I", bytes(4 * BLOCK)), []
    for places, piece in fragments:
        pieces.append(piece)
        lengths[places[0]] = len(piece)
        firsts[places[0] : places[-1] + 1] = bytes((places[0],)) * len(places)
    return Block(b"".join(pieces), bytes(firsts), lengths, crcs, sizes)


@dataclass(frozen=True, eq=False)
class FamilyBlocks:
    """The blocks of one family, in the order of their slots. Nothing here is changed once it is made."""

    family: Family
    blocks: tuple[Block, ...] = ()

    @cached_property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines and their length in bytes, summed up at the first scrape of them."""
        crc = size = 0
        for block in self.blocks:
            crc = combine(crc, block.crc, block.size)
            size += block.size
        return crc, size

    def text(self, slot: int) -> bytes:
        """The plain lines of a slot."""
        number = slot // BLOCK
        return self.blocks[number].text(slot % BLOCK) if number < len(self.blocks) else b""

    def replaced(self, texts: Mapping[int, bytes]) -> FamilyBlocks:
        """The family with these lines in their slots; itself where it holds them already."""
        by_block: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        for slot, text in texts.items():
            by_block[slot // BLOCK][slot % BLOCK] = text
        blocks = list(self.blocks)
        blocks += [NOTHING] * (max(by_block, default=0) + 1 - len(blocks))
        changed = False
        for number, places in by_block.items():
            block = blocks[number].replaced(places)
            changed |= block is not blocks[number]
            blocks[number] = block
        return self._with(blocks) if changed else self

    def with_block(self, number: int, block: Block) -> FamilyBlocks:
        """The family with one block in another form."""
        return self._with([*self.blocks[:number], block, *self.blocks[number + 1 :]])

    def _with(self, blocks: list[Block]) -> FamilyBlocks:
        while blocks and not blocks[-1].size:
            blocks.pop()
        return FamilyBlocks(self.family, tuple(blocks))
