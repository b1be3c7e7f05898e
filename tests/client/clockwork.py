"""A clock that moves only while everybody waits for it: hours pass at once, and in the same order each time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from exporter.client import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(eq=False)
class Wait:
    """One thread's wait until a moment."""

    until: float
    woken: bool = False


class Clockwork(Waiter):
    """Takes the place of the limiter's waits. `run` runs what waits on it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self.changed = threading.Condition()
        self._waits: list[Wait] = []
        self._running = 0

    def clock(self) -> float:
        return self.now

    def condition(self, lock: threading.Lock) -> FakeCondition:
        return FakeCondition(self, lock)

    def sleep(self, seconds: float, stop: threading.Event | None = None) -> None:  # noqa: ARG002  it takes no time
        self.slept.append(seconds)
        with self.changed:
            wait = self.begin(seconds)
        self.finish(wait)

    def run(self, *jobs: Callable[[], T]) -> list[T]:
        """Run each job in a thread of its own until all are done; the first exception is raised."""
        results: list[tuple[int, T]] = []
        errors: list[BaseException] = []

        def work(number: int, job: Callable[[], T]) -> None:
            try:
                results.append((number, job()))
            except BaseException as error:  # noqa: BLE001  it is raised again in the test's thread
                errors.append(error)
            finally:
                with self.changed:
                    self._running -= 1
                    self._advance()

        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
        self._running += len(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a wait never ended"
        if errors:
            raise errors[0]
        return [result for _, result in sorted(results, key=lambda pair: pair[0])]

    def begin(self, seconds: float) -> Wait:
        wait = Wait(self.now + seconds)
        self._waits.append(wait)
        self._running -= 1
        self._advance()
        return wait

    def finish(self, wait: Wait) -> None:
        with self.changed:
            self.changed.wait_for(lambda: wait.woken)

    def wake(self, wait: Wait) -> None:
        if not wait.woken:
            wait.woken = True
            self._waits.remove(wait)
            self._running += 1
            self.changed.notify_all()

    def _advance(self) -> None:
        if self._running == 0 and self._waits:
            first = min(self._waits, key=lambda wait: wait.until)
            self.now = max(self.now, first.until)
            self.wake(first)


@dataclass(eq=False)
class FakeCondition:
    """A condition on the clockwork, for one waiting thread."""

    clockwork: Clockwork
    lock: threading.Lock
    waiting: Wait | None = field(default=None)

    def wait(self, timeout: float) -> None:
        with self.clockwork.changed:
            self.waiting = wait = self.clockwork.begin(timeout)
        self.lock.release()
        self.clockwork.finish(wait)
        self.lock.acquire()
        self.waiting = None

    def notify(self) -> None:
        with self.clockwork.changed:
            if self.waiting:
                self.clockwork.wake(self.waiting)
