"""A clock for one thread that leaps over each wait of the limiter, so that no test waits for a back-off."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.client import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Skipping(Waiter):
    """Takes the place of the limiter's waits, and is the monotonic clock of whoever waits."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def clock(self) -> float:
        return time.monotonic() + self.skipped

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
