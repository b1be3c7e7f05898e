"""Hints that wait for their project's poll: merged by workflow run, kept in the state until they were followed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from exporter.errors import StateError, Stopped
from exporter.runs.hints import Hint
from exporter.runs.pipelines import FoundRun
from exporter.state import StateStore

MOST_WAITING = 10_000
FIRST_GAP, LONGEST_GAP = 2.0, 300.0
"""Seconds until a hint that could not be followed is tried again: doubled each time."""
GIVEN_UP_AFTER = 86_400.0
"""Seconds for which a hint is tried; what it told of is then up to the polls."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A hint that waits. `version` tells it from those of the same run that came before.

    `asked` says that it is being followed, so that another event may tell of something newer. It is not followed
    before `until`, a Unix time; `failures` is how often that failed in a row. `found` is what CircleCI has said of
    the run already, where that made the hint another project's.
    """

    hint: Hint
    version: int
    asked: bool = False
    failures: int = 0
    until: float = 0.0
    found: FoundRun | None = None


class Inbox:
    """The hints of all projects of a process. Safe from any thread."""

    def __init__(self, state: StateStore, wall: Callable[[], float], most: int = MOST_WAITING) -> None:
        """Start empty; `wall` gives Unix seconds, `most` is how many may wait."""
        self._state, self._wall, self._most = state, wall, most
        self._lock = threading.Lock()
        self._projects: dict[str, dict[str, Waiting]] = {}
        self._slugs: dict[str, str] = {}
        self._polls: dict[str, Callable[[], None]] = {}
        self.arrived: Callable[[str], None] = lambda _slug: None
        """Told the slug of each project that a hint has come for."""

    def restore(self, slugs: Collection[str]) -> None:
        """Read what waits in the state. Hints of other projects than these are dropped."""
        self._read(slugs)

    def look(self, slugs: Collection[str]) -> None:
        """Take up what other replicas have written meanwhile, and have it followed. Raises StateError."""
        for slug in self._read(slugs):
            self._tell(slug)

    def _read(self, slugs: Collection[str]) -> set[str]:
        """The slugs of the projects for which there is something new."""
        foreign, told = {}, set()
        with self._lock:  # so that none is read that is followed meanwhile
            for hint, version in self._state.hints():
                slug = self._slugs.get(hint.id)
                if slug is not None and self._projects[slug][hint.id].version == version:
                    continue
                if hint.slug not in slugs:
                    foreign[hint.id] = version
                    continue
                if slug is not None:
                    del self._projects[slug][hint.id]
                self._put(Waiting(hint, version))
                told.add(hint.slug)
        if foreign:
            self._drop(foreign)
        return told

    def accept(self, hint: Hint) -> bool:
        """Commit a hint, and have it followed. False where the state cannot take it, or too many wait."""
        if not self._accepted(hint, None):
            return False
        self._tell(hint.slug)
        return True

    def next_due(self, slug: str) -> float | None:
        """When a hint of a project is to be followed next, in Unix seconds; None where none waits."""
        with self._lock:
            return min((each.until for each in self._projects.get(slug, {}).values()), default=None)

    def listen(self, slug: str, woken: Callable[[], None]) -> None:
        """Wake the poll of a project, which may be under way, when a hint has come for it."""
        self._polls[slug] = woken

    def _tell(self, slug: str) -> None:
        self._polls.get(slug, lambda: None)()
        self.arrived(slug)

    def take(self, slug: str, most: int, watched: Collection[str] = (), *, but: Collection[str] = ()) -> list[Waiting]:
        """The hints of a project that are due, `but` some; they are being followed from now on.

        First those about runs that are `watched`, by their ids, which do exist; then those that have failed least
        often, of these the newest: a flood of events about what CircleCI does not show delays no other.
        """
        now = self._wall()
        with self._lock:
            waiting = self._projects.get(slug, {})
            due = [each for each in waiting.values() if each.until <= now and each.hint.id not in but]
            due.sort(key=lambda each: (each.hint.workflow not in watched, each.failures, -each.hint.taken_at))
            del due[most:]
            waiting.update({each.hint.id: replace(each, asked=True) for each in due})
            return due

    def followed(self, slug: str, versions: Mapping[str, int]) -> None:
        """Note that hints, by their ids in the versions that were taken, are gone from the state."""
        with self._lock:
            waiting = self._projects.get(slug, {})
            for identifier, version in versions.items():
                if identifier in waiting and waiting[identifier].version == version:
                    del waiting[identifier], self._slugs[identifier]

    def put_off(self, slug: str, identifier: str, seconds: float) -> None:
        """Follow a hint only after some seconds: it is too early for it."""
        with self._lock:
            found = self._projects.get(slug, {}).get(identifier)
            if found is not None:
                self._put(replace(found, asked=False, until=self._wall() + seconds))

    def failed(self, slug: str, identifiers: Collection[str] | None = None) -> None:
        """Note that hints could not be followed, by default all of a project: each is tried again, ever more seldom."""
        now = self._wall()
        with self._lock:
            for identifier, each in list(self._projects.get(slug, {}).items()):
                if identifiers is None or identifier in identifiers:
                    gap = min(FIRST_GAP * (1 << min(each.failures, 16)), LONGEST_GAP)
                    self._put(replace(each, asked=False, failures=each.failures + 1, until=now + gap))

    def is_given_up(self, waiting: Waiting) -> bool:
        return waiting.failures > 0 and self._wall() - waiting.hint.taken_at > GIVEN_UP_AFTER

    def move(self, waiting: Waiting, found: FoundRun, slug: str) -> None:
        """Give a hint, which is gone from its project, to the one that CircleCI names for its run."""
        if self._accepted(replace(waiting.hint, slug=slug), found):
            self._tell(slug)

    def forget(self, slugs: Collection[str]) -> None:
        with self._lock:
            for slug in slugs:
                self._polls.pop(slug, None)
            gone = {id_: each.version for slug in slugs for id_, each in self._projects.pop(slug, {}).items()}
            for identifier in gone:
                del self._slugs[identifier]
        if gone:
            self._drop(gone)

    def _accepted(self, hint: Hint, found: FoundRun | None) -> bool:
        with self._lock:
            slug = self._slugs.get(hint.id)
            known = self._projects[slug][hint.id] if slug is not None else None
            if known is None and len(self._slugs) >= self._most:
                return False
            before = 0
            if known is not None:
                # The project of the first event stands; CircleCI names the right one.
                merged = replace(known.hint, ended=known.hint.ended or hint.ended)
                if merged == known.hint and not known.asked:
                    return True
                hint, before, found = merged, known.version, known.found
            try:
                version = self._state.keep_hint(hint, before)
            except (StateError, Stopped):
                return False
            self._put(Waiting(hint, version, found=found))
            return True

    def _put(self, waiting: Waiting) -> None:
        self._projects.setdefault(waiting.hint.slug, {})[waiting.hint.id] = waiting
        self._slugs[waiting.hint.id] = waiting.hint.slug

    def _drop(self, versions: Mapping[str, int]) -> None:
        with suppress(StateError, Stopped):  # the state counts that it fails; the next start drops them
            self._state.drop_hints(versions)
