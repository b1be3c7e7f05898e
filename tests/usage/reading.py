"""One organization's exports, read from a fake CircleCI into a real state, step by step on a clock of the test."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from exporter.client import Client, Limiter
from exporter.config import TokenSource, parse
from exporter.formats.deflate import inflate
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.source import Parts
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from exporter.usage import UsageExports
from tests.running.skipping import Skipping
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from exporter.config import Config
    from tests.circleci import Circle


class CircleTime(Skipping):
    """The time of a synthetic CircleCI, which whoever waits pushes on."""

    def __init__(self, circle: Circle) -> None:
        super().__init__()
        self._circle = circle.clock

    def skip(self, seconds: float) -> None:
        self._circle.advance(seconds)

    def clock(self) -> float:
        return self._circle.now()

    monotonic = wall = clock


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.events.append((level, event, fields))

    def told(self) -> list[str]:
        return [event for _, event, _ in self.events]


class Telling(UsageExports):
    """Tells of each publication."""

    def __init__(self, config: Config, parts: Parts, told: Callable[[], None]) -> None:
        super().__init__(config, parts)
        self.told = told

    def publish(self) -> None:
        super().publish()
        self.told()


class Exporter:
    """What a process has of an organization's exports; made anew on the same state it is a restart."""

    def __init__(
        self,
        circle: Circle,
        state: Path,
        *,
        interval: str = "6h",
        more: str = "",
        ahead: float = 0,
        slugs: Sequence[str] = ("gh/acme",),
    ) -> None:
        """`ahead` is by how much its wall clock is; `more` is more of the configuration."""
        self.clock = clock = CircleTime(circle)
        self.log, self.telemetry, self.stop = Log(), Telemetry("1", ()), threading.Event()
        text = (
            f"circleci: {{url: '{circle.url}', timeout: {PATIENCE:g}s}}\nstate: {{path: '{state}'}}\n"
            f"usage: {{organizations: [{', '.join(slugs)}], interval: {interval}}}\n{more}"
        )
        self.config = parse(text)
        clocks = Clocks(lambda: clock.wall() + ahead, clock.monotonic, clock)
        log: Any = self.log
        limiter = Limiter(1000, 1000, 4, stop=self.stop, clock=clock.clock, waiter=clock)
        self.client = Client(
            self.config.circleci,
            partial(TokenSource, environ={"CIRCLECI_TOKEN": circle.token}),
            limiter,
            self.telemetry,
            self.stop,
            "1",
            clock=clock.monotonic,
        )
        self.state = StateStore.open(state, self.config.circleci.api_url, self.telemetry, log, wall=clocks.wall)
        attempts = Attempts(self.client, clocks, self.telemetry, log)
        parts = Parts(attempts, SnapshotStore(), self.state, self.stop)
        self.published: list[str] = []
        self.exports = Telling(self.config, parts, self._published)
        self.exports.settle()
        self.organization, *_ = self.organizations = tuple(self.exports._organizations.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.client.close()
        self.state.close()

    def run(self, seconds: float) -> None:
        """Take every step that is due within some seconds of the test's clock."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            self.organization.step()
            self.clock.skip(min(self.organization.wait, left))

    def failures(self, reason: str) -> float:
        """How many failures of a reason were counted."""
        labels = {"collector": "usage", "reason": reason}
        return self.telemetry.registry.get_sample_value("circleci_exporter_collector_failures_total", labels) or 0.0

    def unread(self, field: str) -> float:
        """How often a column was missing or unreadable."""
        labels = {"collector": "usage", "field": field}
        return self.telemetry.registry.get_sample_value("circleci_exporter_unreadable_fields_total", labels) or 0.0

    def samples(self) -> dict[str, float]:
        """What a scrape has of it, by sample name with labels."""
        return values(self.text())

    def text(self) -> str:
        """What a scrape has of it."""
        return inflate(self.exports.shown.text.deflated).decode()

    def _published(self) -> None:
        self.published.append(self.text())


def values(text: str) -> dict[str, float]:
    """The samples of an exposition, by sample name with labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
