"""The one shared state: every project's snapshot, and the immutable exposition that scrapes read.

A publication renders what changed, leaves it to be compressed, and swaps one reference. Scrapes take no lock.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from exporter.insights.collectors import of_organization
from exporter.publishing.blocks import BLOCK
from exporter.publishing.exposition import Exposition
from exporter.publishing.family_blocks import FamilyBlocks
from exporter.publishing.rendering import FAMILIES, UNPUBLISHED, render
from exporter.publishing.sections import NO_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.knowledge.snapshots import Snapshot
    from exporter.publishing.blocks import Block
    from exporter.publishing.project_labels import ProjectLabels
    from exporter.publishing.rendering import Publication
    from exporter.publishing.sections import FamilyText

    Published = Mapping[str, tuple[Snapshot, Publication]]
    Place = tuple[bool, str, int]
    """Where a block is: in OpenMetrics alone, its family, its number."""


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
        self.series: Mapping[str, int] = {}
        self._locks: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._families: Mapping[str, FamilyBlocks] = {}
        self._marked: Mapping[str, FamilyBlocks] = {}
        self._swap = threading.Lock()
        self.fresh = threading.Event()
        """Something was shown that may not be compressed yet."""

    def lock(self, slug: str) -> threading.RLock:
        """The lock of one project, for whoever changes it. It lives as long as somebody holds it or waits for it."""
        with self._swap:
            return self._locks.setdefault(slug, threading.RLock())

    def get(self, slug: str) -> Snapshot | None:
        """The newest snapshot of a project or organization; None when it is not, or no longer, asked."""
        found = self.published.get(slug) or self.organizations.get(slug)
        return found[0] if found else None

    def publish(self, snapshots: Iterable[Snapshot], now: float, *, polled: bool = False) -> None:
        """Render snapshots as of `now`, in Unix seconds, and show all of them at once, or none where one fails.

        What is new is still to be compressed: whoever comes first does it, be it `settle`, a scrape or the next change.
        """
        with self._swap:
            change = _Change(self)
            if self._labels:
                snapshots = map(self._labels.labeled, snapshots)
            for number, snapshot in enumerate(snapshots, 1):
                change.publish(snapshot, self._slot(snapshot.project.slug), now, polled=polled)
                if number % BLOCK == 0:  # so that of a large fleet only some lines are in memory at once
                    change.put()
            change.put()
            self._show(change)

    def settle(self) -> None:
        """Compress what is new. Takes no lock."""
        self.fresh.clear()
        for known in (*self._families.values(), *self._marked.values()):
            known.settle()

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
            change.put()
            self._show(change)
            for slug in gone:
                heappush(self._free, self._slots.pop(slug))

    def blocks(self) -> Iterator[tuple[Place, Block]]:
        for marked, families in ((False, self._families), (True, self._marked)):
            for name, known in families.items():
                for number, block in enumerate(known.blocks):
                    yield (marked, name, number), block

    def exchange(self, place: Place, block: Block, repacked: Block) -> bool:
        """Show a block in another form of the same lines; not where it was replaced meanwhile."""
        marked, name, number = place
        with self._swap:
            change = _Change(self)
            families = change.marked if marked else change.families
            known = families[name]
            if number >= len(known.blocks) or known.blocks[number] is not block:
                return False
            families[name] = known.with_block(number, repacked)
            self._show(change)
            return True

    def _slot(self, slug: str) -> int:
        """The slot of a project until it is withdrawn: the lowest free one, so that the last blocks can go."""
        if slug not in self._slots:
            self._slots[slug] = heappop(self._free) if self._free else len(self._slots)
        return self._slots[slug]

    def _show(self, change: _Change) -> None:
        """Swap the references: the one moment at which anything becomes visible."""
        self._families, self._marked = change.families, change.marked
        self.published, self.organizations = change.published, change.organizations
        self.series = {name: count for name, count in change.series.items() if count}
        self.exposition = Exposition(change.families, change.marked, len(change.published), self.series)
        self.fresh.set()


class _Change:
    """What is shown next, made from what is shown now."""

    def __init__(self, store: SnapshotStore) -> None:
        self.published, self.organizations = dict(store.published), dict(store.organizations)
        self.series = store.series
        self.families, self.marked = dict(store._families), dict(store._marked)  # noqa: SLF001  a part of the store
        self._texts: defaultdict[str, dict[int, FamilyText]] = defaultdict(dict)

    def publish(self, snapshot: Snapshot, slot: int, now: float, *, polled: bool) -> None:
        """Render what is new of one project."""
        slug = snapshot.project.slug
        if any(slot in texts for texts in self._texts.values()):  # what is new goes by what was published before
            self.put()
        home = self.organizations if of_organization(snapshot.project.collectors) else self.published
        before = home[slug][1] if slug in home else UNPUBLISHED
        publication = render(snapshot, now, polled=polled, before=before)
        if publication.series != before.series:
            self._count(before.series, publication.series)
        for family in before.families - publication.families:
            self._texts[family][slot] = NO_TEXT
        for family, text in publication.texts.items():
            self._texts[family][slot] = text
        home[slug] = (replace(snapshot, dropped=publication.dropped), publication.shown())

    def withdraw(self, slug: str, slot: int) -> None:
        """Leave out one project."""
        home = self.organizations if slug in self.organizations else self.published
        _, publication = home.pop(slug)
        self._count(publication.series, {})
        for family in publication.families:
            self._texts[family][slot] = NO_TEXT

    def _count(self, before: Mapping[str, int], now: Mapping[str, int]) -> None:
        """Count the series of a project by collector; most publications have as many as before, and copy nothing."""
        if not isinstance(self.series, Counter):
            self.series = Counter(self.series)
        self.series.subtract(before)
        self.series.update(now)

    def put(self) -> None:
        """Put the new lines into their families."""
        for name, texts in self._texts.items():
            before = self.families.get(name) or FamilyBlocks(FAMILIES[name])
            self.families[name] = before.replaced({slot: each.text for slot, each in texts.items()})
            if name in self.marked or [each for each in texts.values() if each.openmetrics is not each.text]:
                marked = self.marked.get(name, before)
                self.marked[name] = marked.replaced({slot: each.openmetrics for slot, each in texts.items()})
        self._texts.clear()
