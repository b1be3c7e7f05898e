"""What is published at one moment, joined for scrapes: families under their headers, still compressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.deflate import NOTHING, Joined, fragment
from exporter.formats.exposition import header
from exporter.publishing.rendering import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.formats.deflate import Fragment
    from exporter.insights.family import Family
    from exporter.publishing.blocks import FamilyBlocks


@dataclass(frozen=True)
class Exposition:
    """What is published of projects. What it joins is joined once, at the first scrape of it.

    `known` are by name all families that ever had lines, `marked` those whose lines have exemplars in OpenMetrics. They
    are of so many `projects`, and so many `series` by collector.
    """

    known: Mapping[str, FamilyBlocks] = field(default_factory=lambda: MappingProxyType({}))
    marked: Mapping[str, FamilyBlocks] = field(default_factory=lambda: MappingProxyType({}))
    projects: int = 0
    series: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def text(self) -> Joined:
        """In text format 0.0.4."""
        return Joined().followed_by(_fragments(self.known, openmetrics=False))

    @cached_property
    def openmetrics(self) -> Joined:
        """In OpenMetrics 1.0.0, without its closing line."""
        return Joined().followed_by(_fragments({**self.known, **self.marked}, openmetrics=True))


class Beside(NamedTuple):
    """Whole families of no project in each format; they have no exemplars, so that only their headers differ."""

    text: Fragment = NOTHING
    openmetrics: Fragment = NOTHING


def beside(families: Sequence[tuple[Family, bytes]]) -> Beside:
    """Publish families with their sample lines."""
    return Beside(
        *[
            fragment(b"".join([header(family, openmetrics=form) + lines for family, lines in families]))
            for form in (False, True)
        ]
    )


def _fragments(families: Mapping[str, FamilyBlocks], *, openmetrics: bool) -> Iterator[Fragment]:
    for name in FAMILIES:
        blocks = families[name].blocks() if name in families else {}
        if blocks:
            yield _header(FAMILIES[name], openmetrics=openmetrics)
            for block in blocks.values():
                yield block.fragment


@cache
def _header(family: Family, *, openmetrics: bool) -> Fragment:
    return fragment(header(family, openmetrics=openmetrics))
