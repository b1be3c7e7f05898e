"""What the list of an organization's newest pipelines tells of its projects: which of them have new ones.

The list knows only projects that the token's user follows. So it is a hint that a project has something new,
and never a proof that it has not.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from exporter.knowledge.organization_lists import organization_of
from exporter.runs.live import Live
from exporter.runs.pipelines import ListedPipeline

BELIEVED_FOR = 3
"""Intervals after which a list that could not be read covers nothing any more."""
TORN_LOOKS = 5
"""Looks in a row that may meet an unreadable entry before what is behind it is taken to be known all the same."""
LONGEST_BACKOFF = 5
"""How often the time between two looks at a list doubles while it cannot be read."""


@dataclass(slots=True)
class _Organization:
    """What one list has shown: the pipelines of its newest page, and until when they are believed.

    `torn` is how often in a row some of its entries could not be read.
    """

    known: frozenset[str] = frozenset()
    torn: int = 0
    believed_until: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class _Project:
    """The creation of a project's newest pipeline in the list, and what it has not been told of yet."""

    newest: float = 0.0
    arrived: dict[str, ListedPipeline] = field(default_factory=dict)


class Coverage:
    """What organizations' lists have shown; one for all polls of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._organizations: dict[str, _Organization] = {}
        self._projects: dict[str, _Project] = {}

    def known(self, organization: str) -> frozenset[str]:
        """The pipelines at which reading the list may end."""
        with self._lock:
            return self._of(organization).known

    def saw(
        self,
        organization: str,
        listed: Iterable[str],
        mine: Iterable[ListedPipeline],
        now: float,
        interval: float,
        *,
        torn: bool = False,
    ) -> set[str]:
        """Note what a list showed; returns the projects among `mine` that have something new. Unix times, seconds.

        Where it was `torn`, what could not be read is looked for again, but not for ever.
        """
        fresh: set[str] = set()
        with self._lock:
            of = self._of(organization)
            of.torn, of.failures = of.torn + 1 if torn else 0, 0
            if of.torn <= TORN_LOOKS and torn:
                listed = ()
            known = of.known
            of.known = frozenset(listed) or of.known
            of.believed_until = now + BELIEVED_FOR * interval
            for pipeline in mine:
                project = self._projects.setdefault(pipeline.slug, _Project())
                project.newest = max(project.newest, pipeline.created_at)
                if pipeline.id not in known:  # it may be older than those, if CircleCI's clock was set back
                    fresh.add(pipeline.slug)
                    project.arrived[pipeline.id] = pipeline
        return fresh

    def answered(self, slug: str) -> bool:
        """Whether the newest look at the list of a project's organization was answered."""
        with self._lock:
            organization = self._organizations.get(organization_of(slug))
            return organization is not None and not organization.failures

    def failed(self, organization: str) -> None:
        with self._lock:
            self._of(organization).failures += 1

    def patience(self, organization: str) -> int:
        """How many intervals go by until the next look at a list: more while it cannot be read."""
        with self._lock:
            return 1 << min(self._of(organization).failures, LONGEST_BACKOFF)

    def take(self, slug: str) -> list[ListedPipeline]:
        """Take the pipelines of a project that it was not told of yet."""
        with self._lock:
            project = self._projects.get(slug)
            if project is None:
                return []
            arrived, project.arrived = project.arrived, {}
            return list(arrived.values())

    def waits(self, slug: str) -> bool:
        """Whether a project was not told of something yet."""
        with self._lock:
            return slug in self._projects and bool(self._projects[slug].arrived)

    def covers(self, slug: str, live: Live | None, now: float) -> bool:
        """Whether the organization's list shows what is newest of a project."""
        with self._lock:
            organization, project = self._organizations.get(organization_of(slug)), self._projects.get(slug)
        if organization is None or project is None or live is None or live.listed_at is None:
            return False
        return organization.believed_until > now and project.newest >= (live.newest_at or 0.0)

    def forget(self, slugs: Collection[str]) -> None:
        with self._lock:
            for slug in slugs:
                self._projects.pop(slug, None)

    def _of(self, organization: str) -> _Organization:
        return self._organizations.setdefault(organization, _Organization())
