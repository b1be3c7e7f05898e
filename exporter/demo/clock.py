"""The organization's time: real time, compressed, and moved on when a test says so."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds since the epoch, running `speed` times as fast as real time. A speed of 0 stands still."""

    def __init__(
        self, start: float | None = None, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin at `start` (Unix seconds; now when None)."""
        self._start = time.time() if start is None else start
        self._speed = speed
        self._monotonic = monotonic
        self._origin = monotonic()
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Unix seconds of the organization's present."""
        with self._lock:
            return self._start + (self._monotonic() - self._origin) * self._speed + self._advanced

    def advance(self, seconds: float) -> float:
        """Move the present on; negative seconds set it back. Returns the new present."""
        with self._lock:
            self._advanced += seconds
        return self.now()
