"""The waits on the clock, and the threads that wait, in one place so that a test can have a clock of its own."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol


class Condition(Protocol):
    """What is needed of a condition variable."""

    def wait(self, timeout: float) -> object:
        """Let go of the lock until notified, or for so many seconds."""

    def notify(self) -> None:
        """Wake the one that waits."""


class Waiter:
    """The waits and threads of this machine."""

    def event(self) -> threading.Event:
        return threading.Event()

    def threads(self, most: int) -> Executor:
        return ThreadPoolExecutor(most)

    def condition(self, lock: threading.Lock) -> Condition:
        return threading.Condition(lock)

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        stop.wait(seconds)
