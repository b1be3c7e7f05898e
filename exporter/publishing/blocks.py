"""Blocks: the sample lines of one family in neighboring slots, compressed together or one by one."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.crc import combine, crc32
from exporter.formats.deflate import compressed, inflate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

BLOCK = 32
"""Slots of a block: the more, the fewer bytes they take when compressed as one, and the more a change costs."""
LOOSE = 4
"""A block is packed again when more than one in so many of its places are loose."""


class Splice(NamedTuple):
    """Lines of a slot: new ones in some places among those before, of which each place has `sizes` bytes."""

    sizes: Sequence[int]
    places: Sequence[int]
    new: Sequence[bytes]

    def within(self, before: bytes) -> bytes:
        """All of them."""
        starts, pieces, end = list(accumulate(self.sizes, initial=0)), list[bytes](), 0
        for place, lines in zip(self.places, self.new, strict=True):
            pieces += before[end : starts[place]], lines
            end = starts[place + 1]
        return b"".join((*pieces, before[end:]))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The lines of one family in neighboring slots, in fragments that are compressed as one each.

    A place is a slot's number within its block. `firsts` holds for each place the first one of its fragment, `lengths`
    for the first place of each fragment its compressed bytes. `small` has a bit for each place that was packed as small
    as possible. `crcs` and `sizes` are binary trees over the plain lines: node i sums up nodes 2i and 2i + 1, and the
    second half are the places. Nothing here is changed once it is made.
    """

    deflated: bytes
    firsts: bytes
    lengths: array[int]
    small: int
    crcs: array[int]
    sizes: array[int]

    @property
    def size(self) -> int:
        """The length of all plain lines, in bytes."""
        return self.sizes[1]

    @property
    def checksum(self) -> tuple[int, int]:
        """The CRC-32 of all plain lines, and their length in bytes."""
        return self.crcs[1], self.sizes[1]

    @property
    def is_loose(self) -> bool:
        """Whether so many places were compressed fast that it is worth packing all of them again."""
        used = [place for place in range(BLOCK) if self.sizes[BLOCK + place]]
        loose = sum([not self.small >> place & 1 for place in used])
        return loose * LOOSE > len(used)

    def text(self, place: int) -> bytes:
        return self._texts(self.firsts[place])[place]

    def replaced(self, changes: Mapping[int, bytes | Splice]) -> Block:
        """The block with these lines at their places; itself where it holds them already."""
        texts: dict[int, bytes] = {}

        def before(place: int) -> bytes:
            if place not in texts:
                texts.update(self._texts(self.firsts[place]))
            return texts[place]

        new = {}
        for place, change in changes.items():
            text = change.within(before(place)) if isinstance(change, Splice) else change
            if not self._may_hold(place, text) or before(place) != text:
                new[place] = text
        if not new:
            return self
        crcs, sizes = self._sums(new)
        broken = {first for place in new if self.lengths[first := self.firsts[place]]}
        for first in broken:
            before(first)
        texts |= new

        def together(place: int) -> tuple[bool, int]:
            """New neighbors make a fragment, what is left of a broken one makes one, any other stays as it is."""
            first = self.firsts[place]
            unused = first == place and not self.lengths[place]
            return (True, -1) if place in new or unused else (first in broken, first)

        groups = _groups(together)
        kept = sum(1 << place for (anew, _), places in groups if not anew for place in places)
        fragments = [
            (
                places,
                compressed(b"".join([texts.get(place, b"") for place in places])) if anew else self._fragment(first),
            )
            for (anew, first), places in groups
        ]
        return _built(fragments, self.small & kept, crcs, sizes)

    def with_place(self, place: int, change: bytes | Splice) -> Block:
        """The same for one place, several times faster where it is a fragment of its own, as it mostly is."""
        if self.firsts.count(self.firsts[place]) > 1:
            return self.replaced({place: change})
        start = sum(self.lengths[:place])
        end = start + self.lengths[place]

        def before() -> bytes:
            return inflate(self.deflated[start:end], self.sizes[BLOCK + place]) if end > start else b""

        text = change.within(before()) if isinstance(change, Splice) else change
        if self._may_hold(place, text) and text == before():
            return self
        piece, lengths, (crcs, sizes) = compressed(text), self.lengths[:], self._sums({place: text})
        lengths[place] = len(piece)
        deflated = b"".join((self.deflated[:start], piece, self.deflated[end:]))
        return Block(deflated, self.firsts, lengths, self.small & ~(1 << place), crcs, sizes)

    def repacked(self) -> Block:
        """The same lines in one fragment of the fewest bytes; it takes much longer than a change."""
        text = b"".join([inflate(self._fragment(first)) for first in sorted(set(self.firsts))])
        fragment = tuple(range(BLOCK)), compressed(text, small=True)
        return _built([fragment], (1 << BLOCK) - 1, self.crcs, self.sizes)

    def _may_hold(self, place: int, text: bytes) -> bool:
        """Whether a place has lines of this checksum, which alone could err."""
        node = BLOCK + place
        return self.sizes[node] == len(text) and self.crcs[node] == crc32(text)

    def _fragment(self, first: int) -> bytes:
        start = sum(self.lengths[:first])
        return self.deflated[start : start + self.lengths[first]]

    def _texts(self, first: int) -> dict[int, bytes]:
        """The plain lines of a fragment by their places."""
        places = range(first, first + self.firsts.count(first))
        size = sum(self.sizes[BLOCK + first : BLOCK + places.stop])
        text, start, texts = inflate(self._fragment(first), size) if size else b"", 0, {}
        for place in places:
            end = start + self.sizes[BLOCK + place]
            texts[place] = text[start:end]
            start = end
        return texts

    def _sums(self, new: Mapping[int, bytes]) -> tuple[array[int], array[int]]:
        """The trees with new lines; each node above some of them is summed up once."""
        crcs, sizes, above = self.crcs[:], self.sizes[:], []
        for place, text in new.items():
            node = BLOCK + place
            crcs[node], sizes[node] = crc32(text), len(text)
            while node := node >> 1:
                above.append(node)
        for node in sorted(set(above), reverse=True):  # what is below has greater numbers
            left = 2 * node
            after = sizes[left + 1]
            crcs[node] = combine(crcs[left], crcs[left + 1], after)
            sizes[node] = sizes[left] + after
        return crcs, sizes


_ZEROS = array("I", bytes(8 * BLOCK))
NOTHING = Block(b"", bytes(range(BLOCK)), _ZEROS[:BLOCK], 0, _ZEROS, _ZEROS)
"""A block without a line."""


def _groups(key: Callable[[int], tuple[bool, int]]) -> list[tuple[tuple[bool, int], tuple[int, ...]]]:
    """Neighboring places of the same key."""
    return [(found, tuple(places)) for found, places in groupby(range(BLOCK), key)]


def _built(
    fragments: Iterable[tuple[tuple[int, ...], bytes]], small: int, crcs: array[int], sizes: array[int]
) -> Block:
    """A block of these fragments: the places of each, and its compressed bytes."""
    firsts, lengths, pieces = bytearray(BLOCK), array("I", bytes(4 * BLOCK)), []
    for places, piece in fragments:
        pieces.append(piece)
        lengths[places[0]] = len(piece)
        firsts[places[0] : places[-1] + 1] = bytes((places[0],)) * len(places)
    return Block(b"".join(pieces), bytes(firsts), lengths, small, crcs, sizes)
