"""The API's own rate limit, kept strictly: it refuses what comes too early, and remembers that it did."""

from __future__ import annotations

import threading
import time
from math import ceil
from typing import TYPE_CHECKING

from exporter.demo.messages import Reply, message

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenBucket:
    """`rate` requests a second on average, at most `burst` at once. Safe for threads."""

    def __init__(self, rate: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Full at the start."""
        self.rate = rate
        self.burst = burst
        self.violations = 0
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._at = monotonic()

    def refusal(self) -> Reply | None:
        """Return the 429 that this request gets, or None when it may pass."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.rate)
            self._at = now
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                return None
            self.violations += 1
            wait = ceil((1.0 - self._tokens) / self.rate)
        return message(429, "Rate limit exceeded.").header("Retry-After", str(wait))

    def mark(self, reply: Reply) -> Reply:
        """Add the headers that tell how much is left."""
        with self._lock:
            left = int(self._tokens)
        return reply.header("X-RateLimit-Limit", str(self.burst)).header("X-RateLimit-Remaining", str(left))
