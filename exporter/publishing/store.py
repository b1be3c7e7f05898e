"""The one shared state: every project's snapshot, and the immutable whole that scrapes read.

Publishing renders outside any lock that a scrape could meet and then swaps one reference. The CRC of a
gzip scrape is kept up to date with each publication, family by family.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

from exporter.formats import deflate
from exporter.formats.exposition import header
from exporter.insights.collectors import ORGANIZATIONS
from exporter.publishing.columns import Column
from exporter.publishing.rendering import FAMILIES, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.formats.deflate import Fragment
    from exporter.insights.families import Family
    from exporter.knowledge.snapshots import Snapshot
    from exporter.publishing.rendering import Publication


@dataclass(frozen=True, slots=True)
class Body:
    """The sample lines of one family, of all projects, compressed; `crc` and `size` are of the plain lines."""

    family: Family
    blocks: tuple[bytes, ...]
    crc: int
    size: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Families under their headers: compressed pieces in order, and the CRC and length of what they stand for."""

    pieces: tuple[bytes, ...]
    crc: int
    size: int


@dataclass(frozen=True)
class Whole:
    """Everything that is published at one moment. What it joins is joined once, at the first scrape of it."""

    bodies: tuple[Body, ...] = ()

    @cached_property
    def text(self) -> Joined:
        """In text format 0.0.4."""
        return self._join(openmetrics=False)

    @cached_property
    def openmetrics(self) -> Joined:
        """In OpenMetrics 1.0.0, without its closing line."""
        return self._join(openmetrics=True)

    def _join(self, *, openmetrics: bool) -> Joined:
        pieces: list[bytes] = []
        crc = size = 0
        for body in self.bodies:
            head = _header(body.family, openmetrics=openmetrics)
            crc = deflate.combine(deflate.combine(crc, head.crc, head.size), body.crc, body.size)
            size += head.size + body.size
            pieces += (head.deflated, *body.blocks)
        return Joined(tuple(pieces), crc, size)


@cache
def _header(family: Family, *, openmetrics: bool) -> Fragment:
    return deflate.fragment(header(family, openmetrics=openmetrics))


class SnapshotStore:
    """Snapshots by project slug, and the whole of what they show; those of organizations are kept apart.

    Whoever changes a project holds its lock from reading the old snapshot to publishing the new one;
    scrapes and pages take no lock.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.whole = Whole()
        self.published: Mapping[str, tuple[Snapshot, Publication]] = {}
        self.organizations: Mapping[str, tuple[Snapshot, Publication]] = {}
        self.series: Mapping[str, int] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._size = 1
        self._columns: dict[str, Column] = {}
        self._bodies: dict[str, Body] = {}
        self._swap = threading.Lock()

    def lock(self, slug: str) -> threading.RLock:
        """The lock of one project, for whoever changes it."""
        with self._swap:
            return self._locks.setdefault(slug, threading.RLock())

    def get(self, slug: str) -> Snapshot | None:
        """The newest snapshot of a project or organization; None when it is not, or no longer, asked."""
        found = self.published.get(slug) or self.organizations.get(slug)
        return found[0] if found else None

    def publish(self, snapshots: Iterable[Snapshot], now: float, *, polled: bool = False) -> None:
        """Render snapshots as of `now`, in Unix seconds, and show all of them at once."""
        rendered = [(snapshot, render(snapshot, now, polled=polled)) for snapshot in snapshots]
        with self._swap:
            published, organizations = dict(self.published), dict(self.organizations)
            series = Counter(self.series)
            changed: defaultdict[str, dict[int, Fragment]] = defaultdict(dict)
            for snapshot, publication in rendered:
                slug = snapshot.project.slug
                home = organizations if ORGANIZATIONS in snapshot.project.collectors else published
                before = home.get(slug)
                if before:
                    series.subtract(before[1].series)
                series.update(publication.series)
                slot = self._slot(slug)
                stale = before[1].families if before else frozenset[str]()
                for name in stale - publication.fragments.keys():
                    changed[name][slot] = deflate.NOTHING
                for name, piece in publication.fragments.items():
                    changed[name][slot] = piece
                home[slug] = (replace(snapshot, dropped=publication.dropped), publication.shown())
            self._show(published, organizations, series, changed)

    def withdraw(self, slugs: Iterable[str]) -> None:
        """Show these projects or organizations no longer."""
        with self._swap:
            published, organizations = dict(self.published), dict(self.organizations)
            series = Counter(self.series)
            changed: defaultdict[str, dict[int, Fragment]] = defaultdict(dict)
            for slug in slugs:
                gone = published.pop(slug, None) or organizations.pop(slug, None)
                if gone is None:
                    continue
                series.subtract(gone[1].series)
                slot = self._slots.pop(slug)
                self._free.append(slot)
                for name in gone[1].families:
                    changed[name][slot] = deflate.NOTHING
            self._show(published, organizations, series, changed)

    def _slot(self, slug: str) -> int:
        if slug not in self._slots:
            if self._free:
                self._slots[slug] = self._free.pop()
            else:
                self._slots[slug] = len(self._slots)
        slot = self._slots[slug]
        if slot >= self._size:
            self._size *= 2
        return slot

    def _column(self, name: str) -> Column:
        column = self._columns.get(name) or Column(self._size)
        if column.slots < self._size:
            column = column.grown(self._size)
        self._columns[name] = column
        return column

    def _show(
        self,
        published: Mapping[str, tuple[Snapshot, Publication]],
        organizations: Mapping[str, tuple[Snapshot, Publication]],
        series: Mapping[str, int],
        changed: Mapping[str, Mapping[int, Fragment]],
    ) -> None:
        """Swap the references: the one moment at which anything becomes visible."""
        for name, slots in changed.items():
            column = self._column(name)
            if column.set(slots):
                self._bodies[name] = Body(FAMILIES[name], tuple(column.blocks), column.crc, column.size)
        self.published, self.organizations = published, organizations
        self.series = {name: count for name, count in series.items() if count}
        self.whole = Whole(tuple(body for name in FAMILIES if (body := self._bodies.get(name)) and body.size))
