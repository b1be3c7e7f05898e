"""When a project's pipelines are polled next: the earliest moment at which something of them is due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from exporter.counting.book import rises_at
from exporter.errors import PollError
from exporter.insights.collectors import PIPELINES
from exporter.knowledge import absence
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.polling import crediting
from exporter.polling.coverage import Coverage
from exporter.polling.inbox import Inbox
from exporter.runs import watching

PROJECT, LIST, NAMES, RISE = "project", "list", "names", "rise"
SOON = 1.0


@dataclass(slots=True)
class Postponed:
    """What is not asked again before a moment, since asking failed; only the poll under way touches it."""

    until: dict[str, float] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    """Failures in a row of what is asked again ever more seldom."""
    failed: dict[str, PollError] = field(default_factory=dict)
    """What failed when it was last asked, and why."""
    waiting: float | None = None
    """When the pipeline whose turn comes next is to be looked at, or should have been, Unix time."""
    put_off: dict[str, float] = field(default_factory=dict)
    """By run: since when its jobs wait to be read, since there was no time for them, Unix time."""
    answered_at: float = 0.0
    """When CircleCI last answered something of the project, Unix time."""
    shown_at: float = 0.0
    vain: dict[str, int] = field(default_factory=dict)
    """By workflow: sweeps of its list of runs in a row that brought nothing."""
    refused: dict[int, float] = field(default_factory=dict)
    """By key: runs that Insights lists and CircleCI did not tell of, and when it was asked, Unix time."""
    torn: int = 0
    """Walks over the list in a row that met an entry which could not be read."""
    confirmed: int = 0
    """Walks over the list in a row that found nothing but what the organization's list had shown."""

    def postpone(self, what: str, until: float) -> None:
        """Ask no more before a Unix time."""
        self.until[what] = until

    def retry(self, what: str, now: float, gap: float, longest: float) -> None:
        """Ask again after a gap that doubles with each failure in a row, up to the longest."""
        tries = self.tries[what] = self.tries.get(what, 0) + 1
        self.until[what] = now + min(gap * (1 << min(tries - 1, 16)), longest)

    def fail(self, what: str, failure: PollError, until: float) -> None:
        """Asking has failed: ask no more before a Unix time, unless it was not even asked."""
        self.failed[what] = failure
        if not failure.held:
            self.postpone(what, until)

    def due(self, what: str, due: float) -> float:
        """When something is due that would be due then."""
        return max(due, self.until.get(what, 0.0))

    def clear(self, what: str) -> None:
        """Asking has succeeded."""
        self.until.pop(what, None)
        self.tries.pop(what, None)
        self.failed.pop(what, None)

    def acquit(self) -> None:
        """CircleCI answers nobody: what met that has not failed by itself."""
        self.failed = {what: failure for what, failure in self.failed.items() if not failure.of_all}

    def failure(self, of: Iterable[str]) -> PollError | None:
        """Why the first of these failed that did when it was last asked."""
        return next((self.failed[what] for what in of if what in self.failed), None)


class Pace:
    """What the polls of a process remember of each project besides what was learned."""

    def __init__(self, coverage: Coverage, inbox: Inbox, wall: Callable[[], float], ahead: Callable[[], float]) -> None:
        """Start with nothing postponed; `wall` gives Unix seconds, `ahead` by how many it is ahead of CircleCI's."""
        self.coverage, self.inbox, self._wall, self._ahead = coverage, inbox, wall, ahead
        self._lock = threading.Lock()
        self._projects: dict[str, Postponed] = {}

    def of(self, slug: str) -> Postponed:
        with self._lock:
            return self._projects.setdefault(slug, Postponed())

    def forget(self, slugs: Collection[str]) -> None:
        """Forget projects that are no longer polled."""
        self.coverage.forget(slugs)
        with self._lock:
            for slug in slugs:
                self._projects.pop(slug, None)

    def late(self) -> float:
        """For how many seconds the pipeline that waits longest for its look has waited, of all projects."""
        with self._lock:
            waiting = [each.waiting for each in self._projects.values() if each.waiting is not None]
        return max(self._wall() - min(waiting, default=self._wall()), 0.0)

    def interval(self, snapshot: Snapshot) -> float:
        """Seconds until something of a project is due."""
        return max(self.due(snapshot) - self._wall(), SOON)

    def due(self, snapshot: Snapshot) -> float:
        """When something of a project is due, in Unix seconds; notes when a pipeline is."""
        now, project, live, ledger = self._wall(), snapshot.project, snapshot.live, snapshot.ledger
        postponed, settings, ahead = self.of(project.slug), project.pipelines, self._ahead()
        hinted = self.inbox.next_due(project.slug)
        hints = [] if hinted is None else [hinted]
        earliest = postponed.due(PROJECT, 0.0)
        if absence.since(snapshot, PIPELINES) is not None:
            gap = absence.interval(snapshot, settings.interval, PIPELINES)
            return min([snapshot.outcomes[PIPELINES].finished_at + gap, *hints])
        if self.coverage.waits(project.slug):
            return min([max(now, earliest), *hints])
        covered = self.coverage.covers(project.slug, live, now)
        listed = watching.list_due(live, settings, now, covered=covered, confirmed=postponed.confirmed, ahead=ahead)
        moments = [postponed.due(LIST, listed)]
        if covered and live is not None:  # what is known stays current, though it costs no call
            moments.append(max(live.listed_at or 0.0, live.covered_at or 0.0) + settings.longest)
        watched = () if live is None else live.pipelines.values()
        dues = ((each.id, watching.look_due(each, settings, project.runs.lookback, now, ahead)) for each in watched)
        looks = [postponed.due(id_, due) for id_, due in dues if due is not None]
        postponed.waiting = min(
            [*looks, *postponed.put_off.values()], default=None
        )  # it waits, too, while the poll does that is to look at it
        moments += looks
        if live is not None and ledger is not None:
            moments.append(postponed.due(NAMES, crediting.names_due(ledger, project, now)))
            sweeps = crediting.sweeps(ledger, project, postponed.vain, now)
            moments += [postponed.due(f"runs of {name}", at) for name, at in sweeps.items()]
            rising = rises_at(ledger, project)
            if rising is not None:
                moments.append(postponed.due(RISE, rising))
        return min([max(min(moments), earliest), *hints])

    def tells(self, before: Snapshot, after: Snapshot, collector: str) -> bool:
        """Whether outcomes are worth showing: others than before, or that of a collector once in its longest time."""
        postponed, now = self.of(after.project.slug), after.outcomes.get(collector)
        others = {name for name, each in after.outcomes.items() if _said(each) != _said(before.outcomes.get(name))}
        late = now is not None and not 0 <= now.finished_at - postponed.shown_at < after.project.polled_every(collector)
        if now is not None and (others or late):
            postponed.shown_at = now.finished_at
        return bool(others) or late


def _said(outcome: Outcome | None) -> tuple[bool, str] | None:
    return None if outcome is None else (outcome.success, outcome.error)
