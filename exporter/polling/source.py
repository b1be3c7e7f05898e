"""What is read beside projects, on a schedule and threads of its own: the frame that each source fills."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from exporter.client import Limiter
from exporter.config import Config
from exporter.errors import PollError
from exporter.insights.family import Family
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts
from exporter.polling.schedule import Schedule
from exporter.publishing.exposition import Beside, beside
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore

Key = TypeVar("Key", bound=Hashable)
Shown = tuple[Sequence[tuple[Family, bytes]], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a source may use of its process."""

    attempts: Attempts
    store: SnapshotStore
    state: StateStore
    stop: threading.Event

    def limiter(self, rate: float, burst: int, concurrency: int, *, steady: bool = False) -> Limiter:
        """A limiter of its own on the clock of all, as `Limiter` describes it."""
        clocks = self.attempts.clocks
        return Limiter(
            rate,
            burst,
            concurrency,
            stop=self.stop,
            clock=clocks.monotonic,
            wall=clocks.wall,
            waiter=clocks.waiter,
            steady=steady,
        )


@dataclass(frozen=True, slots=True)
class Examined:
    """What `check` finds out about one thing to read: for a program its `subject` and what was `found`.

    A person is `told` of it or, with a `failure`, that `reading` it fails.
    """

    subject: Mapping[str, str]
    reading: str
    found: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""
    failure: PollError | None = None


class Source(ABC, Generic[Key]):
    """Asks nothing, and runs no thread, unless the configuration wants something read.

    `shown` is what a scrape has of it, swapped whole.
    """

    title: ClassVar[str]
    is_failing: ClassVar[str]
    has_recovered: ClassVar[str]
    is_cut: ClassVar[str]
    """What is logged; the last where there are more samples than there is room for."""
    collector: ClassVar[str]
    """Label `collector` of everything that fails here, and the key of its settings in the configuration."""
    families: ClassVar[tuple[Family, ...]]
    """With their labels."""
    fields: ClassVar[tuple[str, ...]]
    """Which may be unreadable."""
    threads: ClassVar[int]
    remedies: ClassVar[Mapping[str, str]]
    """For reasons that mean something else here than for a project."""

    def __init__(self, config: Config, parts: Parts) -> None:
        """Ask nothing yet; every wait ends at the stop."""
        self.config, self.parts, self.attempts = config, parts, parts.attempts
        self.lock, self.shown = threading.RLock(), Beside()
        self.jobs: dict[Key, Job] = {}
        self._dropped: Mapping[str, int] = {}
        self._failing: set[Key] = set()
        self._schedule: Schedule | None = None

    @classmethod
    @abstractmethod
    def examine(cls, config: Config, parts: Parts) -> Iterable[Examined]:
        """Try what the configuration wants read. Raises ConfigError, StartError or Stopped."""

    @abstractmethod
    def wanted(self) -> Iterable[Key]:
        """What is to be read; called with the lock held."""

    @abstractmethod
    def job(self, key: Key) -> Job:
        """What reads it."""

    @abstractmethod
    def named(self, key: Key) -> Mapping[str, str]:
        """How a log names it."""

    @abstractmethod
    def lines(self) -> Shown:
        """What is known, and of how many samples there was no room; by organization, or of all by no name."""

    def expire(self) -> None:
        """Take away what is too old; called every second."""

    def restore(self) -> None:
        """Read and show what the state knows, before the start. Raises StateError."""

    def start(self) -> None:
        """Read at once what is wanted, and then when it is due; do nothing where nothing is."""
        with self.lock:
            self.settle()
            if not self.jobs or self._schedule is not None:
                return
            telemetry, clocks = self.attempts.telemetry, self.attempts.clocks
            telemetry.fails_as(self.collector, self.fields)
            self._schedule = Schedule(
                telemetry,
                self.attempts.log,
                size=self.threads,
                clocks=clocks,
                late=lambda _: None,  # or it would hide how late the polls of projects are
            )
            for job in self.jobs.values():
                self._schedule.add(job, clocks.wall())
            self._schedule.start(self.expire)

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready for other settings, which the call of what is returned adopts. Raises ConfigError or StartError.

        What is wanted no longer is shown no longer.
        """

        def adopt() -> None:
            with self.lock:
                self.config = config
                self.start()
                self.publish()

        return adopt

    def stop(self) -> None:
        """Ask no more. Requests under way end with the stop event."""
        if self._schedule is not None:
            self._schedule.stop()

    def settle(self) -> None:
        """Read exactly what is wanted; called with the lock held."""
        wanted = dict.fromkeys(self.wanted())
        self.leave(self.jobs.keys() - wanted.keys())
        for key in wanted:
            if key not in self.jobs:
                self.jobs[key] = job = self.job(key)
                if self._schedule is not None:
                    self._schedule.add(job, self.attempts.clocks.wall())

    def leave(self, keys: Iterable[Key]) -> None:
        """Read something no longer; called with the lock held."""
        for key in list(keys):
            self._failing.discard(key)
            job = self.jobs.pop(key)
            if self._schedule is not None:
                self._schedule.remove(job.name)

    def publish(self) -> None:
        """Show what is known."""
        with self.lock:
            families, dropped = self.lines()
            for of, count in dropped.items():
                if count and not self._dropped.get(of):
                    of_whom = {"organization": of} if of else {}
                    self.attempts.log.warning(self.is_cut, **of_whom, reason="max_series", count=count)
            self._dropped = dict(dropped)
            self.shown = beside(families)

    def failed(self, key: Key, error: PollError) -> None:
        """Count a failure; the first in a row is logged."""
        with self.lock:
            self.attempts.telemetry.failed(self.collector, error.reason)
            if key in self.jobs and key not in self._failing:
                self._failing.add(key)
                self.attempts.log.warning(self.is_failing, **self.named(key), reason=error.reason, error=str(error))

    def recovered(self, key: Key) -> None:
        """Note a success."""
        with self.lock:
            if key in self._failing:
                self._failing.discard(key)
                self.attempts.log.info(self.has_recovered, **self.named(key))
