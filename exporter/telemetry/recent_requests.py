"""What was asked lately, for the page."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

HOUR_OF_MINUTES = 60


class RecentRequests:
    """Requests of the last hour by status code, in buckets of a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty; `clock` gives seconds."""
        self._clock = clock
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=HOUR_OF_MINUTES)
        self._lock = threading.Lock()
        self.newest = ""

    def add(self, code: str) -> None:
        minute = int(self._clock() // 60)
        with self._lock:
            if not self._minutes or self._minutes[-1][0] != minute:
                self._minutes.append((minute, Counter()))
            self._minutes[-1][1][code] += 1
            self.newest = code

    def by_code(self) -> dict[str, int]:
        oldest = int(self._clock() // 60) - HOUR_OF_MINUTES
        with self._lock:
            return dict(sum((counts for minute, counts in self._minutes if minute > oldest), Counter[str]()))
