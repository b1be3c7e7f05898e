"""The state of each job: when it is due, whether it is running, and what comes next. No clock, no thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count

from exporter.polling.kind import Poll

JITTER = 0.05


def next_poll(due: float, ended: float, interval: float, chance: float) -> float:
    """When a project is polled next: an interval after it was due, give or take 5 %, never in the past.

    `chance` is between 0 and 1. A poll that overran its interval is followed by the next at once.
    """
    return max(ended, due + interval * (1 + JITTER * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is polled at an interval.

    `interval` gives the seconds from one poll to the next, `begin` starts a poll of everything or of
    what is missing; both give None when the job is no longer wanted. Its failures count for `collector`.
    One that is `light` goes on while the others are held, and says nothing of how late they are. `in_vain` says
    whether a poll that ended while they were has asked, which had no answer then.
    """

    name: str
    collector: str
    interval: Callable[[], float | None]
    begin: Callable[[bool], Poll | None]
    light: bool = False
    in_vain: Callable[[], bool] = lambda: True


@dataclass(slots=True, eq=False)
class Turn:
    """A poll under way. `due` is None when it asks only what is missing, `poll` until its first step begins.

    `stepped` says that its first step has ended: until then it may wait for its turn to ask.
    """

    job: Job
    due: float | None
    poll: Poll | None = None
    stepped: bool = False


@dataclass(slots=True, eq=False)
class _Entry:
    """One job. `number` is that of its place in the queue, `again` says that something missing is to be asked.

    The entry of a job that was removed stays while its poll goes on, so that no job ever runs twice at the
    same time. One that was put back meanwhile is `renewed`: it is due when it was put back for. One that is `held`
    stays due until all are released; the next poll is an interval after that.
    """

    job: Job
    due: float
    number: int = 0
    running: Turn | None = None
    again: bool = False
    wanted: bool = True
    renewed: bool = False
    held: bool = False
    released: float = 0.0


@dataclass(slots=True)
class Agenda:
    """All jobs of a process. Times are seconds of one clock; whoever uses it from several threads holds a lock."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _queue: list[tuple[float, int, str]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add(self, job: Job, due: float) -> None:
        """Poll a job from `due` on; one that is known already is only moved."""
        entry = self._entries.get(job.name)
        if entry is None:
            entry = self._entries[job.name] = _Entry(job, due)
        entry.renewed = entry.renewed or not entry.wanted
        entry.job, entry.due, entry.wanted = job, min(due, entry.due) if entry.held else due, True
        if entry.running is None and not entry.held:
            self._wait(entry)

    def remove(self, name: str) -> None:
        """Poll a job no longer; a poll under way ends by itself."""
        entry = self._entries.get(name)
        if entry is None:
            return
        entry.wanted = entry.again = False
        if entry.running is None:
            del self._entries[name]

    def missing(self, name: str) -> Turn | None:
        """Ask what a job asks and has no answer to: by the poll that is returned, or after the one under way."""
        entry = self._entries.get(name)
        if entry is None or not entry.wanted:
            return None
        if entry.running is not None or entry.held:
            entry.again = True
            return None
        return self._begin(entry, None)

    def take(self, now: float) -> list[Turn]:
        """The polls that are due, the longest due first; they are running from now on."""
        turns = []
        while self._queue and self._queue[0][0] <= now:
            due, number, name = heappop(self._queue)
            entry = self._entries.get(name)
            if entry is not None and entry.number == number:
                turns.append(self._begin(entry, due))
        return turns

    def next_at(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def release(self, now: float) -> list[Turn]:
        """Let all go on that were held: each is due since when it was; returns what asks for something missing."""
        turns = []
        for entry in [entry for entry in self._entries.values() if entry.held]:
            entry.held, entry.released = False, now
            if entry.again:
                entry.again = False
                turns.append(self._begin(entry, None))
            else:
                self._wait(entry)
        return turns

    def late(self, now: float) -> float:
        """For how long the poll is due that is due longest and has not done its first step, 0 where none is."""
        entries = [entry for entry in self._entries.values() if not entry.job.light]
        waiting = (entry for entry in entries if entry.running is None or not entry.running.stepped)
        return max((now - entry.due for entry in waiting), default=0.0)

    def stepped(
        self, turn: Turn, now: float, *, more: bool, interval: float | None, chance: float, held: bool = False
    ) -> Turn | None:
        """Note that a step has ended; returns the poll that goes on at once, this one or another.

        `interval` is the job's now, None when it is no longer wanted. A poll that has ended since all are `held` was
        in vain: it stays due.
        """
        entry = self._entries[turn.job.name]
        turn.stepped = True
        if more:
            return turn
        entry.running = None
        if not entry.wanted or interval is None:
            del self._entries[turn.job.name]
            return None
        if held and not entry.job.light:
            entry.held, entry.again, entry.renewed = True, entry.again or turn.due is None, False
            return None
        if turn.due is not None and not entry.renewed:
            entry.due = next_poll(max(turn.due, entry.released), now, interval, chance)
        entry.renewed = False
        if entry.again:
            entry.again = False
            return self._begin(entry, None)
        self._wait(entry)
        return None

    def due(self) -> dict[str, float]:
        return {name: entry.due for name, entry in self._entries.items() if entry.wanted}

    def running(self) -> set[str]:
        return {name for name, entry in self._entries.items() if entry.running is not None}

    def _begin(self, entry: _Entry, due: float | None) -> Turn:
        entry.number = 0
        entry.running = turn = Turn(entry.job, due)
        return turn

    def _wait(self, entry: _Entry) -> None:
        entry.number = next(self._numbers)
        heappush(self._queue, (entry.due, entry.number, entry.job.name))
        if len(self._queue) > 2 * len(self._entries) + 64:  # places that jobs have left
            waiting = [each for each in self._entries.values() if each.number]
            self._queue[:] = [(each.due, each.number, each.job.name) for each in waiting]
            heapify(self._queue)
