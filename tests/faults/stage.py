"""A fleet whose CircleCI fails as it is told, polled side by side on a clock that only waits move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.insights.collector import PROJECT_POLL
from exporter.insights.collectors import NAMES
from exporter.polling.attempt import Clocks
from tests.circleci import Circle, truth
from tests.circleci.fleet import fleet
from tests.faults.campaign import WORKFLOWS, Known
from tests.running.clockwork import Clockwork
from tests.running.engine import NOON, Running

if TYPE_CHECKING:
    from collections.abc import Callable


class Stage(Running):
    """`lines` are the projects of the configuration, of a fleet with so many; `circleci` has keys of that section."""

    def __init__(self, lines: str, *, count: int = 2, circleci: str = Running.circleci) -> None:
        self.clockwork, self.circleci = Clockwork(NOON), circleci
        text = f"defaults: {{interval: 1h, stale_after: 30d, jobs: {{max_age: 1h}}}}\nprojects:\n{lines}"
        super().__init__(Circle(projects=fleet(1, count, 2, 2), start=NOON, speed=0), text)

    def open(self) -> None:
        super().open()
        self.clockwork.counted(-1)  # the schedule, which never starts

    def clocks(self) -> Clocks:
        return Clocks(self.clockwork.clock, self.clockwork.clock, self.clockwork)

    def polls(self, *slugs: str, kind: str = PROJECT_POLL, after: float = 3600.0) -> None:
        """Let time pass, and then poll these projects side by side to their end."""
        self.clockwork.now += after

        def of(slug: str) -> Callable[[], bool]:
            return lambda: self.poll(slug, kind)

        self.clockwork.run(*map(of, slugs))

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
        found = self.scrape()
        return {(name, reason): count for name in NAMES for reason, count in found.failures(name).items()}
