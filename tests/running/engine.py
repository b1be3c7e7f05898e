"""The program in this process: all that is made from the state, on a clock that a test moves. Only a test polls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from structlog.testing import CapturingLogger

from exporter.config import Config, parse
from exporter.insights.collector import PROJECT_POLL
from exporter.polling.attempt import Clocks
from exporter.process.fixed import Options
from exporter.process.term import Term
from tests.circleci import Circle
from tests.running.scrapes import Scrape
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.process.engine import Engine
    from exporter.process.lease import Lease
    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
SLUG = "gh/acme/web"


class Running:
    """A synthetic CircleCI and the program beside it, as a context that ends both.

    `now` is the program's wall clock. Whoever is more than this says in `projects()` what is to be polled.
    """

    circleci = "requests_per_second: 1000, burst: 1000, timeout: 60s"
    """Further keys of that section."""

    def __init__(
        self,
        circle: Circle,
        projects: str = "",
        *,
        path: Path | None = None,
        now: float = NOON,
        waits: Skipping | None = None,
    ) -> None:
        """Start both. `projects` is the configuration below `state`; a path of None keeps state in memory."""
        self.circle, self.given, self.path, self.now = circle.start(), projects, path, now
        self.environ = {"CIRCLECI_TOKEN": circle.token}
        self.waits, self.log = waits or Skipping(), CapturingLogger()
        self.open()

    def projects(self) -> str:
        """The configuration below `state`."""
        return self.given

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.circle.stop()

    # ---- life

    def open(self) -> None:
        """Start the program, as a restart does."""
        self.config = self.configured()
        self.term = self.made()
        self.term.restore()

    def made(self, lease: Lease | None = None) -> Term:
        """All that is made from the state, before that is read."""
        log = cast("Logger", self.log)
        return Term(self.config, Options(), log, self.environ, webhooks=False, clocks=self.clocks(), lease=lease)

    def configured(self) -> Config:
        """The configuration that the attributes make."""
        path = f"'{self.path}'" if self.path else "null"
        return parse(
            f"circleci: {{url: '{self.circle.url}', {self.circleci}}}\nstate: {{path: {path}}}\n{self.projects()}"
        )

    def clocks(self) -> Clocks:
        """Nobody waits, and one question is asked after another."""
        return Clocks(lambda: self.now, self.waits.clock, self.waits)

    @property
    def engine(self) -> Engine:
        """What asks CircleCI."""
        return self.term.engine

    def close(self) -> None:
        """End the program; what it has not committed is lost."""
        self.engine.close()

    def restart(self, **settings: Any) -> None:
        """End the program and start it again, with other attributes if some are given."""
        self.close()
        for name, value in settings.items():
            setattr(self, name, value)
        self.open()

    def reload(self, **settings: Any) -> None:
        """Adopt the configuration that other attributes make."""
        for name, value in settings.items():
            setattr(self, name, value)
        self.config = self.configured()
        self.term.change(self.config)

    # ---- what happens

    def pass_time(self, seconds: float) -> None:
        """Let all clocks go on."""
        self.now += seconds
        self.waits.skipped += seconds
        self.circle.clock.advance(seconds)

    def poll(
        self, slug: str = SLUG, kind: str = PROJECT_POLL, *, after: float = 0.0, missing_only: bool = False
    ) -> bool:
        """Let time pass, and poll a project to the end; returns whether its newest polls, of all kinds, were good."""
        self.pass_time(after)
        poll = self.engine.begin(slug, kind, missing_only=missing_only)
        while poll is not None and poll.step():
            pass
        snapshot = self.engine.store.get(slug)
        return snapshot is not None and all(outcome.success for outcome in snapshot.outcomes.values())

    # ---- what is seen

    def text(self, *, openmetrics: bool = False) -> str:
        """Everything that is shown."""
        pieces, _ = self.term.exposition(openmetrics=openmetrics, gzip=False)
        return b"".join(pieces).decode()

    def scrape(self) -> Scrape:
        """Everything that is shown, read."""
        return Scrape(self.text())

    def samples(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of one name that have these labels, by their text in braces."""
        return self.scrape().samples(name, **labels)

    def value(self, name: str, **labels: str) -> float | None:
        """The only sample of one name with these labels; None where there is none."""
        return self.scrape().value(name, **labels)

    def asked(self) -> list[str]:
        """The paths that were asked for since the last call."""
        return [target.partition("?")[0] for target in self.questions()]

    def questions(self) -> list[str]:
        """Paths and queries that were asked for since the last call."""
        seen = [f"{request.path}?{request.query}" for request in self.circle.requests]
        self.circle.forget_requests()
        return seen

    def logged(self) -> list[tuple[str, str]]:
        """Method and event of each log line so far."""
        return [(call.method_name, str(call.args[0])) for call in self.log.calls]

    def told(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The fields of the log lines with this event and these fields, oldest first."""
        lines = [call.kwargs for call in self.log.calls if call.args[0] == event]
        return [line for line in lines if fields.items() <= line.items()]


def hourly(settings: str = "", projects: str = SLUG, **circle: Any) -> Running:
    """Projects that are polled each hour, of a CircleCI that stands still; `settings` stand under `defaults`."""
    text = f"defaults: {{interval: 1h, {settings}}}\nprojects: [{projects}]"
    return Running(Circle(start=NOON, speed=0, **circle), text)
