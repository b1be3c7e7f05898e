"""The time by the database's clock, which all replicas share."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady() -> float:
    """Seconds that never go back, and go on while the machine sleeps where the system can tell."""
    boottime = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(boottime)


class DatabaseClock:
    """Unix seconds as the database would say. Until it was asked first, those of this machine."""

    def __init__(self, clock: Callable[[], float] = steady, local: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ahead = local() - clock()

    def wall(self) -> float:
        return self._clock() + self._ahead

    def measured(self, now: float, sent_at: float, received_at: float) -> None:
        """The database said `now` at some moment between two of the steady clock.

        What is known already stays where both can be true: a slow answer makes no step.
        """
        least, most = now - received_at, now - sent_at
        self._ahead = min(max(self._ahead, least), most)
