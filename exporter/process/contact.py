"""What one replica knows of the database: whether it can be reached, its time, and its newest commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from structlog.stdlib import BoundLogger

from exporter.state.postgres.lease_table import Hold, Newest
from exporter.state.postgres.login import BusyError, UnreachableError


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


class Commits:
    """The newest commit that this process has seen, whoever made it: what lacks it is an older copy of the database.

    Those of one place. Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.newest = Newest()

    def saw(self, hold: Hold, number: int) -> None:
        """Note the number of a commit under a lease."""
        self.look(Newest(hold.epoch, number, number))

    def look(self, found: Newest) -> Newest | None:
        """Note what the database says; where it lacks a commit, return what was known."""
        with self._lock:
            known = self.newest
            if found.epoch >= known.epoch:
                self.newest = found._replace(commits=max(found.commits, known.commits))
            return known if found.lacks(known) else None


class Contact:
    """Whether the database can be reached, by the newest statement; the log says it once when that changes."""

    def __init__(self, log: BoundLogger) -> None:
        self._log = log
        self._waits = False
        self.reachable = True

    def lost(self, error: UnreachableError) -> None:
        """A statement failed; one that only waits for others tells nothing of the way to the database."""
        if isinstance(error, BusyError):
            if not self._waits:
                self._log.info("waiting for what is under way in the database", error=str(error))
            self._waits = True
            return
        if self.reachable:
            self._log.error("the database cannot be reached", error=str(error))
        self.reachable = False

    def made(self) -> None:
        if not self.reachable:
            self._log.info("the database can be reached again")
        self.reachable = True

    def waits_no_more(self) -> None:
        self._waits = False
