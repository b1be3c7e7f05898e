"""Sections: what of a project's lines is rendered together, and stays as it is while that from which it was made does.

Pure. A section has families of its own: one for each table of a collector, one for the counted runs, one for what the
exporter says of the project.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.exposition import sample_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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

    text: bytes
    openmetrics: bytes


NO_TEXT = FamilyText(b"", b"")
NO_TEXTS: Mapping[str, FamilyText] = MappingProxyType({})


class Section(NamedTuple):
    """What is known of a section whose lines were published; they live on in the blocks of their families.

    `basis` is what they were made from, `room` how many series there was room for. `series` are shown, `cut` had no
    room. `families` are those that it has lines in.
    """

    basis: Basis
    room: int
    series: int
    cut: int
    families: frozenset[str]

    def stands(self, basis: Basis, room: int) -> bool:
        """Whether it would be the same if it were rendered again."""
        return self.basis == basis and (self.room == room or (not self.cut and self.series <= room))


class Rendered(NamedTuple):
    """The lines of a section by family; so many `series` are shown, and so many were `cut`."""

    texts: Mapping[str, FamilyText] = NO_TEXTS
    series: int = 0
    cut: int = 0


class Room:
    """How many series a project may still show: sections are rendered in the order in which they keep theirs."""

    def __init__(self, limit: int, before: Mapping[str, Section]) -> None:
        """Start with all of it, and with the sections that were published last."""
        self.left, self._before = limit, before
        self.sections: dict[str, Section] = {}
        self.texts: dict[str, FamilyText] = {}
        """The lines of all sections that are rendered anew, by family."""

    @property
    def series(self) -> int:
        """How many series are shown so far."""
        return sum(section.series for section in self.sections.values())

    @property
    def cut(self) -> int:
        """How many series had no room so far."""
        return sum(section.cut for section in self.sections.values())

    def add(self, name: str, basis: Basis, render: Callable[[int], Rendered]) -> Section:
        """Add a section: as it was published, or, where its basis or its room is another, rendered anew."""
        known = self._before.get(name)
        if known is not None and known.stands(basis, self.left):
            section = Section(basis, self.left, known.series, known.cut, known.families)
        else:
            texts, series, cut = render(self.left)
            self.texts.update(texts)
            section = Section(basis, self.left, series, cut, _names(frozenset(texts)))
        self.sections[name] = section
        # Once one row did not fit, no other does, so that what is left out is always the end.
        self.left = 0 if section.cut else self.left - section.series
        return section


def of_rows(rows: Iterable[Sequence[FamilyLines]], room: int) -> Rendered:
    """The lines of label sets, each with its lines in all its families: all of them are shown, or none."""
    known = list(rows)
    sizes = [sum([lines.samples for lines in row]) for row in known]
    fitting = how_many_fit(sizes, room)
    found: defaultdict[str, list[FamilyLines]] = defaultdict(list)
    for row in known[:fitting]:
        for lines in row:
            found[lines.family].append(lines)
    texts = {family: _joined(lines) for family, lines in found.items()}
    return Rendered(texts, sum(sizes[:fitting]), sum(sizes[fitting:]))


def how_many_fit(sizes: Sequence[int], room: int) -> int:
    """How many of the first label sets, of so many samples each, there is room for."""
    return bisect_right(list(accumulate(sizes)), room)


def sample(family: str, names: Sequence[str], values: Sequence[str], value: float) -> FamilyLines:
    """One sample; `names` are in alphabetical order, `values` theirs."""
    line = sample_line(family, names, values, value)
    return FamilyLines(family, 1, line, line)


def _joined(lines: Sequence[FamilyLines]) -> FamilyText:
    text = "".join([each.text for each in lines]).encode()
    if all(each.openmetrics is each.text for each in lines):
        return FamilyText(text, text)
    return FamilyText(text, "".join([each.openmetrics for each in lines]).encode())


@lru_cache(maxsize=256)
def _names(families: frozenset[str]) -> frozenset[str]:
    """The same set for each project that has these families."""
    return families
