"""The engine of one process against a synthetic CircleCI, on a clock that only waits move: hours take no time."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.insights.collector import PROJECT_POLL
from exporter.insights.collectors import NAMES
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.circleci import Circle, truth
from tests.circleci.fleet import fleet
from tests.faults.campaign import WORKFLOWS, Known, failures
from tests.running.clockwork import Clockwork
from tests.running.program import Scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.system.logs import Logger

NOON = 1_790_000_000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Who takes part: a CircleCI that fails as it is told, and an engine that asks it when a test says so."""

    circle: Circle
    engine: Engine
    clockwork: Clockwork
    log: CapturingLogger

    def poll(self, *slugs: str, kind: str = PROJECT_POLL, after: float = 3600.0) -> None:
        """Let time pass, and then poll these projects side by side to their end."""
        self.clockwork.now += after
        self.clockwork.run(*[lambda slug=slug: self._poll(slug, kind) for slug in slugs])

    def _poll(self, slug: str, kind: str) -> None:
        poll = self.engine.begin(slug, kind)
        while poll is not None and poll.step():
            pass

    def scrape(self) -> Scrape:
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=False, gzip=False)
        return Scrape(b"".join(pieces).decode(), 0.0)

    def known(self, slug: str) -> dict[str, float]:
        """What is true of a project."""
        return truth.of_project(Known(self.circle), slug, WORKFLOWS)

    def shown(self, slug: str) -> dict[str, float]:
        """What is shown of it."""
        return truth.shown(self.scrape().of_project(slug))

    def success(self, slug: str, collector: str = "workflows") -> float | None:
        """How its newest poll ended."""
        return self.scrape().get("collector_success", project=slug, collector=collector)

    def failures(self) -> dict[tuple[str, str], float]:
        """Failed questions by collector and reason."""
        found, names = self.scrape(), NAMES
        return {(name, reason): count for name in names for reason, count in failures(found, name).items()}

    def told(self, event: str, **fields: object) -> list[dict[str, object]]:
        """The fields of the log lines with this event and these fields, oldest first."""
        lines = [call.kwargs for call in self.log.calls if call.args[0] == event]
        return [line for line in lines if fields.items() <= line.items()]


@contextmanager
def stage(projects: str, *, count: int = 2, circleci: str = "") -> Iterator[Stage]:
    """Start both; `projects` are the lines of the configuration, of a fleet with so many; `circleci` has more keys."""
    clockwork, log = Clockwork(NOON), CapturingLogger()
    with Circle(projects=fleet(1, count, 2, 2), start=NOON, speed=0) as circle:
        config = parse(
            f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s{circleci}}}\n"
            f"defaults: {{interval: 1h, stale_after: 30d, jobs: {{max_age: 1h}}}}\nprojects:\n{projects}"
        )
        clocks = Clocks(clockwork.clock, clockwork.clock, clockwork)
        environ = {"CIRCLECI_TOKEN": circle.token}
        with closing(Engine(config, cast("Logger", log), environ=environ, clocks=clocks)) as engine:
            engine.store.publish(map(Snapshot, config.projects), NOON)
            yield Stage(circle, engine, clockwork, log)
