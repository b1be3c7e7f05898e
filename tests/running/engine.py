"""One process's engine against a synthetic CircleCI, with a clock that a test moves."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.circleci import Circle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.system.logs import Logger

NOON = 1_790_000_000.0


@dataclass
class Process:
    """An engine whose wall clock stands still until a test moves it."""

    circle: Circle
    engine: Engine
    log: CapturingLogger
    now: float = field(default=NOON)
    monotonic: Callable[[], float] = time.monotonic
    environ: dict[str, str] = field(default_factory=dict)

    def poll(self, slug: str = "gh/acme/web", *, missing_only: bool = False) -> None:
        """Poll one project to the end."""
        poll = self.engine.begin(slug, missing_only=missing_only)
        while poll is not None and poll.step():
            pass

    def scrape(self) -> str:
        """Everything that is shown, in text format."""
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=False, gzip=False)
        return b"".join(pieces).decode()

    def samples(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of one name that have these labels, by their text in braces."""
        found = {}
        for line in self.scrape().splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                found[head.removeprefix(name)] = float(value)
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The only sample of one name with these labels; None where there is none."""
        found = self.samples(name, **labels)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)

    def asked(self) -> list[str]:
        """The paths that were asked for since the last call."""
        seen = [request.path for request in self.circle.requests]
        self.circle.forget_requests()
        return seen

    def logged(self) -> list[tuple[str, str]]:
        """Method and event of each log line so far."""
        return [(call.method_name, str(call.args[0])) for call in self.log.calls]


@contextmanager
def process(settings: str = "", projects: str = "gh/acme/web", **circle: Any) -> Iterator[Process]:
    """Start both; `settings` stand under `defaults`."""
    with Circle(start=NOON, speed=0, **circle) as api:
        config = parse(
            f"circleci: {{url: '{api.url}', requests_per_second: 1000, burst: 1000, timeout: 20s}}\n"
            f"defaults: {{interval: 1h, {settings}}}\n"
            f"projects: [{projects}]"
        )
        log = CapturingLogger()
        clocks = Clocks(lambda: running.now, lambda: running.monotonic())  # noqa: PLW0108  a test may change it
        running = Process(api, cast("Engine", None), log)
        running.environ["CIRCLECI_TOKEN"] = api.token
        running.engine = engine = Engine(config, cast("Logger", log), environ=running.environ, clocks=clocks)
        engine.store.publish(map(Snapshot, config.projects), NOON)
        try:
            yield running
        finally:
            engine.close()
