"""Whose turn it is among the requests that wait: projects take turns, and none holds the last place. Pure.

However many requests each has waiting, every project has one turn before the next one of another's many. A place is
kept for those that have asked lately, so a project whose answers hang holds up none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from exporter.client.pace import NEVER

LATELY = 60.0
"""Seconds for which a place is kept for the projects that have asked."""


class Request(Protocol):
    """A request that waits. Its `turn` is set when it queues up."""

    slug: str
    ahead: bool
    light: bool
    turn: int


R = TypeVar("R", bound=Request)


class Turns(Generic[R]):
    """The queue of requests, and how many are under way. Times are those of the limiter's clock, in seconds."""

    def __init__(self) -> None:
        self._queue: list[R] = []
        self._busy = Counter[str]()
        self._turn, self._turns = 0, dict[str, int]()
        self._asked: tuple[tuple[str, float], tuple[str, float]] = (("", NEVER), ("", NEVER))

    def __iter__(self) -> Iterator[R]:
        """The requests that wait."""
        return iter(self._queue)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        return self._busy.total()

    def enter(self, request: R) -> None:
        """Queue behind the project's own requests; each other project may have one turn before the next of those."""
        request.turn = self._turns[request.slug] = max(self._turn, self._turns.get(request.slug, 0)) + 1
        self._queue.append(request)

    def leave(self, request: R) -> None:
        """Wait no longer."""
        self._queue.remove(request)
        if self._turns.get(request.slug) == request.turn:
            del self._turns[request.slug]  # the project has nothing more waiting

    def begin(self, request: R, now: float) -> None:
        """Be under way."""
        self._busy[request.slug] += 1
        if request.turn > self._turn and not request.ahead:
            self._turn = request.turn
        newest, other = self._asked
        self._asked = ((request.slug, now), other if newest[0] == request.slug else newest)

    def end(self, request: R) -> None:
        """Be under way no longer."""
        self._busy -= Counter([request.slug])

    def next(self, concurrency: int, now: float, *, light: bool) -> R | None:
        """Whose turn it is, if one more may go; with `light` only light ones may."""
        if self.in_flight >= concurrency:
            return None
        free = [
            each
            for each in self._queue
            if (each.light or not light) and self._busy[each.slug] < self._share(each.slug, concurrency, now)
        ]
        return min(free, key=lambda each: (not each.ahead, each.turn), default=None)

    def _share(self, slug: str, concurrency: int, now: float) -> int:
        """How many places a project may hold."""
        newest, other = self._asked
        others = newest if newest[0] != slug else other
        return max(1, concurrency - (now - others[1] < LATELY))
