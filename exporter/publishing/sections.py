"""Sections: what of a project's lines is rendered together, and stays as it is while that from which it was made does.

Pure. A section has families of its own: one for each table of a collector, one for the counted runs, one for what the
exporter says of the project.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.publishing.blocks import Splice

Basis = tuple[object, ...]
"""What a section is made from, compared with `==`."""


class FamilyLines(NamedTuple):
    """Sample lines of one family in both formats; the same object where OpenMetrics has no exemplar in them."""

    family: str
    samples: int
    text: str
    openmetrics: str


class FamilyText(NamedTuple):
    """All lines of one family of a project, as bytes; the same object where both formats have the same."""

    text: bytes | Splice
    openmetrics: bytes | Splice


NO_TEXT = FamilyText(b"", b"")
NO_TEXTS: Mapping[str, FamilyText] = MappingProxyType({})
NO_SIZES = array("I")


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of a section.

    `basis` is what they were made from, compared with `==`; `room` is how many series there was room for. `series` are
    shown, `cut` had no room. `texts` are the lines by family, until they are published. `sizes` tell how many samples
    each part of a table has, and bytes in each family, or the same of each group in both formats; there are none where
    some were cut. `order` has the keys of the groups, where it is made of groups.
    """

    basis: Basis
    room: int
    series: int
    cut: int
    families: frozenset[str]
    texts: Mapping[str, FamilyText]
    sizes: array[int]
    order: tuple[tuple[str, ...], ...] = ()

    def published(self) -> Section:
        """The same without the lines, which live on in the blocks of their families."""
        if not self.texts:
            return self
        return Section(
            self.basis, self.room, self.series, self.cut, self.families, NO_TEXTS, self.sizes, self.order
        )  # several times faster than `replace`, here and below

    def made_from(self, basis: Basis, room: int) -> Section:
        """The same lines as made from an equal basis."""
        return Section(basis, room, self.series, self.cut, self.families, self.texts, self.sizes, self.order)

    def stands(self, basis: Basis, room: int) -> bool:
        """Whether it would be the same if it were rendered again."""
        return self.basis == basis and (self.room == room or (not self.cut and self.series <= room))


class Room:
    """How many series a project may still show: sections are rendered in the order in which they keep theirs."""

    def __init__(self, limit: int, before: Mapping[str, Section]) -> None:
        """Start with all of it, and with the sections that were published last."""
        self._left, self.before = limit, before
        self.sections: dict[str, Section] = {}

    def add(self, name: str, basis: Basis, render: Callable[[int], Section]) -> Section:
        """Add a section: as it was published, or, where its basis or its room is another, rendered anew."""
        known = self.before.get(name)
        made = known if known and known.stands(basis, self._left) else render(self._left)
        section = made.made_from(basis, self._left)
        self.sections[name] = section
        # Once one row did not fit, no other does, so that what is left out is always the end.
        self._left = 0 if section.cut else self._left - section.series
        return section


def of_rows(rows: Iterable[Sequence[FamilyLines]], room: int) -> Section:
    """A section of label sets, each with its lines in all its families: all of them are shown, or none."""
    found: defaultdict[str, list[FamilyLines]] = defaultdict(list)
    series = cut = 0
    for row in rows:
        samples = sum([lines.samples for lines in row])
        if cut or samples > room - series:
            cut += samples
            continue
        series += samples
        for lines in row:
            found[lines.family].append(lines)
    return of_texts({family: _joined(lines) for family, lines in found.items()}, series, cut)


def of_texts(texts: Mapping[str, FamilyText], series: int = 0, cut: int = 0, sizes: array[int] = NO_SIZES) -> Section:
    """A section of what is written already."""
    return Section((), 0, series, cut, names(frozenset(texts)), texts, sizes)


def _joined(lines: Sequence[FamilyLines]) -> FamilyText:
    text = "".join([each.text for each in lines]).encode()
    if all(each.openmetrics is each.text for each in lines):
        return FamilyText(text, text)
    return FamilyText(text, "".join([each.openmetrics for each in lines]).encode())


@lru_cache(maxsize=256)
def names(families: frozenset[str]) -> frozenset[str]:
    """The same set for each project that has these families."""
    return families
