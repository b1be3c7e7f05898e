"""The one shared state: every project's snapshot, and the immutable exposition that scrapes read.

A publication renders what changed, leaves it to be compressed, and swaps one reference. Scrapes take no lock.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from exporter.insights.collectors import of_organization
from exporter.publishing.blocks import FamilyBlocks
from exporter.publishing.exposition import Exposition
from exporter.publishing.rendering import FAMILIES, UNPUBLISHED, render
from exporter.publishing.sections import NO_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.knowledge.snapshots import Snapshot
    from exporter.publishing.blocks import Block
    from exporter.publishing.project_labels import ProjectLabels
    from exporter.publishing.rendering import Publication
    from exporter.publishing.sections import FamilyText

    Published = Mapping[str, tuple[Snapshot, Publication]]


class SnapshotStore:
    """Snapshots by project slug, and the exposition of all of them; those of organizations are kept apart.

    Whoever changes a project holds its lock from reading the old snapshot to publishing the new one;
    scrapes and pages take no lock.
    """

    def __init__(self, labels: ProjectLabels | None = None) -> None:
        """Start empty; `labels` gives projects their labels."""
        self._labels = labels
        self.exposition = Exposition()
        self.published: Published = {}
        self.organizations: Published = {}
        self._locks: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._swap = threading.Lock()
        self.fresh = threading.Event()
        """Something was shown that may not be compressed yet."""

    @property
    def series(self) -> Mapping[str, int]:
        """How many series are shown, by collector."""
        return self.exposition.series

    def lock(self, slug: str) -> threading.RLock:
        """The lock of one project, for whoever changes it. It lives as long as somebody holds it or waits for it."""
        with self._swap:
            return self._locks.setdefault(slug, threading.RLock())

    def get(self, slug: str) -> Snapshot | None:
        """The newest snapshot of a project or organization; None when it is not, or no longer, asked."""
        found = self.published.get(slug) or self.organizations.get(slug)
        return found[0] if found else None

    def publish(
        self, snapshots: Iterable[Snapshot], now: float, *, polled: bool = False, counted: bool = False
    ) -> None:
        """Render snapshots as of `now`, in Unix seconds, and show all of them at once, or none where one fails.

        What is new is still to be compressed: whoever comes first does it, be it `settle` or a scrape.
        """
        with self._swap:
            change = _Change(self)
            if self._labels:
                snapshots = map(self._labels.labeled, snapshots)
            for snapshot in snapshots:
                change.publish(snapshot, self._slot(snapshot.project.slug), now, polled=polled, counted=counted)
            self._show(change)

    def settle(self) -> None:
        """Compress what is new. Takes no lock."""
        self.fresh.clear()
        self.blocks()

    def blocks(self) -> set[Block]:
        """All blocks of this moment, in both formats; those that are new are compressed."""
        shown = self.exposition
        families = (*shown.known.values(), *shown.marked.values())
        return {block for known in families for block in known.blocks().values()}

    def rejoin(self) -> None:
        """Join the blocks again at the next scrape: some have come to be compressed better."""
        with self._swap:
            self.exposition = replace(self.exposition)

    def keep(self, *snapshots: Snapshot) -> None:
        """Take snapshots that show nothing new in the place of those before."""
        with self._swap:
            known = self.published
            taken = {each.project.slug: each for each in snapshots if each.project.slug in known}
            self.published = {**known, **{slug: (snapshot, known[slug][1]) for slug, snapshot in taken.items()}}

    def withdraw(self, slugs: Iterable[str]) -> None:
        """Show these projects or organizations no longer."""
        with self._swap:
            change = _Change(self)
            gone = [slug for slug in slugs if self.get(slug)]
            for slug in gone:
                change.withdraw(slug, self._slots[slug])
            self._show(change)
            for slug in gone:
                heappush(self._free, self._slots.pop(slug))

    def _slot(self, slug: str) -> int:
        """The slot of a project until it is withdrawn: the lowest free one, so that blocks are full."""
        if slug not in self._slots:
            self._slots[slug] = heappop(self._free) if self._free else len(self._slots)
        return self._slots[slug]

    def _show(self, change: _Change) -> None:
        """Swap the references: the one moment at which anything becomes visible."""
        self.published, self.organizations = change.published, change.organizations
        series = {name: count for name, count in change.series.items() if count}
        self.exposition = Exposition(change.families, change.marked, len(change.published), series)
        self.fresh.set()


class _Change:
    """What is shown next, made from what is shown now."""

    def __init__(self, store: SnapshotStore) -> None:
        self.published, self.organizations = dict(store.published), dict(store.organizations)
        self.series = Counter(store.exposition.series)
        self.families, self.marked = dict(store.exposition.known), dict(store.exposition.marked)

    def publish(self, snapshot: Snapshot, slot: int, now: float, *, polled: bool, counted: bool) -> None:
        """Render what is new of one project."""
        slug = snapshot.project.slug
        home = self.organizations if of_organization(snapshot.project.collectors) else self.published
        before = home[slug][1] if slug in home else UNPUBLISHED
        publication = render(snapshot, now, polled=polled, counted=counted, before=before)
        self._count(before.series, publication.series)
        for family in before.families - publication.families:
            self._put(family, slot, NO_TEXT)
        for family, text in publication.texts.items():
            self._put(family, slot, text)
        shown = replace(snapshot, dropped=publication.dropped, beside=publication.beside)
        home[slug] = (shown, publication.shown())

    def withdraw(self, slug: str, slot: int) -> None:
        """Leave out one project."""
        home = self.organizations if slug in self.organizations else self.published
        _, publication = home.pop(slug)
        self._count(publication.series, {})
        for family in publication.families:
            self._put(family, slot, NO_TEXT)

    def _count(self, before: Mapping[str, int], now: Mapping[str, int]) -> None:
        """Count the series of a project by collector."""
        self.series.subtract(before)
        self.series.update(now)

    def _put(self, name: str, slot: int, text: FamilyText) -> None:
        """Put the new lines of a project into their family."""
        before = self.families.get(name) or FamilyBlocks(FAMILIES[name])
        self.families[name] = before.with_lines(slot, text.text)
        if name in self.marked or text.openmetrics is not text.text:
            self.marked[name] = self.marked.get(name, before).with_lines(slot, text.openmetrics)
