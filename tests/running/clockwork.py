"""A clock that moves only while everybody waits for it: hours pass at once, and in the same order each time."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

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

    def __init__(
        self,
        now: float = 1_000_000.0,
        *,
        lateness: float = 0.001,
        patience: float = 60.0,
        moved: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`moved` is told each new time; a wait on an event ends late, so that a time that was rounded has come.

        What `run` runs may take `patience` seconds of real time.
        """
        self.now, self.moved, self.lateness, self.patience = now, moved, lateness, patience
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
            thread.join(self.patience)
            assert not thread.is_alive(), "a wait never ended"
        if errors:
            raise errors[0]
        return [result for _, result in sorted(results, key=lambda pair: pair[0])]

    def event(self) -> FakeEvent:
        return FakeEvent(self)

    def threads(self, most: int) -> Executor:  # noqa: ARG002  none is to wait for another
        return FakeThreads(self)

    def end(self) -> None:
        """Let every wait end, and the clock stand still from now on."""
        with self.changed:
            self._running += 1
            for wait in [*self._waits]:
                self.wake(wait)

    def counted(self, change: int) -> None:
        """So many threads more are at work."""
        with self.changed:
            self._running += change
            self._advance()

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
            if first.until > self.now:
                self.now = first.until
                self.moved(self.now)
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


class FakeEvent(threading.Event):
    """An event on the clockwork, for one thread, which is at work from the start."""

    def __init__(self, clockwork: Clockwork) -> None:
        super().__init__()
        self._clockwork = clockwork
        self._waiting: Wait | None = None
        clockwork.counted(1)

    def set(self) -> None:
        with self._clockwork.changed:
            super().set()
            if self._waiting:
                self._clockwork.wake(self._waiting)

    def wait(self, timeout: float | None = None) -> bool:
        with self._clockwork.changed:
            if self.is_set():
                return True
            seconds = self._clockwork.lateness + (inf if timeout is None else timeout)
            self._waiting = wait = self._clockwork.begin(seconds)
        self._clockwork.finish(wait)
        self._waiting = None
        return self.is_set()


class FakeThreads(Executor):
    """As many threads as there is work for; the clock does not move while one is at work."""

    def __init__(self, clockwork: Clockwork) -> None:
        self._clockwork, self._pool = clockwork, ThreadPoolExecutor(64)

    def submit(self, work: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        def counted() -> T:
            try:
                return work(*given, **named)
            finally:
                self._clockwork.counted(-1)

        self._clockwork.counted(1)
        return self._pool.submit(counted)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
