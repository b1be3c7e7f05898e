"""A clock for one thread: it leaps over the waits of the limiter, and else takes a microsecond from reading to reading.

What would be asked side by side is asked one after another, in the order in which it was wanted: what a poll does is
the same each time, and takes no thread. Where threads have to wait for one another, `clockwork` has the clock.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.client import Waiter

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

T = TypeVar("T")


class Skipping(Waiter):
    """Takes the place of the limiter's waits, and is the monotonic clock of whoever waits."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def clock(self) -> float:
        self.skipped += 1e-6  # or what comes after an answer would be of the same moment
        return self.skipped

    def skip(self, seconds: float) -> None:
        """Leap so far."""
        self.skipped += seconds

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        if not stop.is_set():
            self.skip(seconds)

    def threads(self, most: int) -> Executor:  # noqa: ARG002  none is started
        return _AtOnce()

    def condition(self, lock: threading.Lock) -> _Leap:  # noqa: ARG002  nobody else wants it
        return _Leap(self)


class _AtOnce(Executor):
    """Does in the thread of whoever asks what others would be asked to do."""

    def submit(self, work: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        done = Future[T]()
        done.set_result(work(*given, **named))
        return done


@dataclass(eq=False)
class _Leap:
    clock: Skipping

    def wait(self, timeout: float) -> None:
        self.clock.skip(timeout)

    def notify(self) -> None:
        """Nobody waits."""
