"""Everything that is published at one moment, joined for scrapes: families under their headers, still compressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from exporter.formats import deflate
from exporter.formats.crc import combine
from exporter.formats.exposition import header
from exporter.publishing.rendering import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.formats.deflate import Fragment
    from exporter.insights.family import Family
    from exporter.publishing.family_blocks import FamilyBlocks


@dataclass(frozen=True, slots=True)
class Joined:
    """Compressed pieces in the order in which they are sent, and the CRC and length of what they stand for."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int


@dataclass(frozen=True)
class Exposition:
    """What is published. What it joins is joined once, at the first scrape of it.

    `known` are by name all families that ever had lines, `marked` those whose lines have exemplars in OpenMetrics. They
    are of so many `projects`, and so many `series` by collector.
    """

    known: Mapping[str, FamilyBlocks] = field(default_factory=lambda: MappingProxyType({}))
    marked: Mapping[str, FamilyBlocks] = field(default_factory=lambda: MappingProxyType({}))
    projects: int = 0
    series: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def families(self) -> tuple[FamilyBlocks, ...]:
        """The families that have lines, in the order of a scrape."""
        known = [self.known[name] for name in FAMILIES if name in self.known]
        return tuple([family for family in known if family.blocks])

    @cached_property
    def text(self) -> Joined:
        """In text format 0.0.4."""
        return _joined(self.families, openmetrics=False)

    @cached_property
    def openmetrics(self) -> Joined:
        """In OpenMetrics 1.0.0, without its closing line."""
        return _joined([self.marked.get(known.family.name, known) for known in self.families], openmetrics=True)


def _joined(families: Iterable[FamilyBlocks], *, openmetrics: bool) -> Joined:
    pieces: list[bytes] = []
    crc = size = 0
    for known in families:
        head, (own_crc, own_size) = _header(known.family, openmetrics=openmetrics), known.checksum
        crc = combine(combine(crc, head.crc, head.size), own_crc, own_size)
        size += head.size + own_size
        pieces += (head.deflated, *[block.deflated for block in known.blocks])
    return Joined(tuple(pieces), crc, size)


@cache
def _header(family: Family, *, openmetrics: bool) -> Fragment:
    return deflate.fragment(header(family, openmetrics=openmetrics))
