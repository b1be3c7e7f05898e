"""Sections: what of a project's lines is rendered together, and stays as it is while that from which it was made does.

Pure. A section has families of its own: one for each table of a collector, one for the counted runs, one for what the
exporter says of the project.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
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


class Rendered(NamedTuple):
    """A section's lines.

    `series` are shown, `cut` had no room. `families` are those that it has lines in, `texts` the lines of those that
    are not as they were. `sizes` tell how many samples each part of a table has, and bytes in each family, or the same
    of each group in both formats; there are none where some were cut. `order` has the keys of the groups, where it is
    made of groups.
    """

    series: int
    cut: int
    families: frozenset[str]
    texts: Mapping[str, FamilyText]
    sizes: array[int] = NO_SIZES
    order: tuple[tuple[str, ...], ...] = ()


class Section(NamedTuple):
    """What is known of a section whose lines were published; they live on in the blocks of their families.

    `basis` is what they were made from, compared with `==`; `room` is how many series there was room for.
    """

    basis: Basis
    room: int
    series: int
    cut: int
    families: frozenset[str]
    sizes: array[int] = NO_SIZES
    order: tuple[tuple[str, ...], ...] = ()

    def stands(self, basis: Basis, room: int) -> bool:
        """Whether it would be the same if it were rendered again."""
        return self.basis == basis and (self.room == room or (not self.cut and self.series <= room))


class Room:
    """How many series a project may still show: sections are rendered in the order in which they keep theirs."""

    def __init__(self, limit: int, before: Mapping[str, Section]) -> None:
        """Start with all of it, and with the sections that were published last."""
        self._left, self.before = limit, before
        self.sections: dict[str, Section] = {}
        self.texts: dict[str, FamilyText] = {}
        """The lines of all sections that are rendered anew, by family."""

    def add(self, name: str, basis: Basis, render: Callable[[int], Rendered]) -> Section:
        """Add a section: as it was published, or, where its basis or its room is another, rendered anew."""
        found: Section | Rendered | None = self.before.get(name)
        if not (isinstance(found, Section) and found.stands(basis, self._left)):
            found = render(self._left)
            self.texts.update(found.texts)
        section = Section(basis, self._left, found.series, found.cut, found.families, found.sizes, found.order)
        self.sections[name] = section
        # Once one row did not fit, no other does, so that what is left out is always the end.
        self._left = 0 if section.cut else self._left - section.series
        return section


def of_rows(rows: Iterable[Sequence[FamilyLines]], room: int) -> Rendered:
    """The lines of label sets, each with its lines in all its families: all of them are shown, or none."""
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


def of_texts(texts: Mapping[str, FamilyText], series: int = 0, cut: int = 0, sizes: array[int] = NO_SIZES) -> Rendered:
    """What is written already."""
    return Rendered(series, cut, names(frozenset(texts)), texts, sizes)


def _joined(lines: Sequence[FamilyLines]) -> FamilyText:
    text = "".join([each.text for each in lines]).encode()
    if all(each.openmetrics is each.text for each in lines):
        return FamilyText(text, text)
    return FamilyText(text, "".join([each.openmetrics for each in lines]).encode())


@lru_cache(maxsize=256)
def names(families: frozenset[str]) -> frozenset[str]:
    """The same set for each project that has these families."""
    return families
