"""A whole exporter and its CircleCI on a clock that a test moves: hours of a night pass in seconds.

Everything of a term runs, with its threads; time passes only while all of them wait. Each half a minute is scraped.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from exporter.config import parse
from exporter.polling.attempt import Clocks
from exporter.process.fixed import Options
from exporter.process.term import Term
from exporter.web.page.tables import verdict
from tests.circleci import Circle
from tests.running.clockwork import Clockwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
MINUTE = 60.0
EVERY = 30.0
"""Seconds between two scrapes."""
LATENESS = 4.0
"""Seconds by which the schedule wakes late, as on a busy machine: it wakes seldom, so a night takes seconds."""
WEB, API, DOCS = "gh/acme/web", "gh/acme/api", "gh/acme/docs"
SLUGS = (WEB, API, DOCS)
WORKFLOWS, JOBS = ("build", "deploy"), ("compile", "test")
CONFIGURATION = """
circleci: {{url: "{url}", token_file: "{token}", requests_per_second: 2, burst: 4, timeout: 2s}}
defaults: {{runs: {{lookback: 6h}}}}
projects:
  - {{slug: gh/acme/web, interval: 10m, collectors: [workflows, jobs, pipelines],
     pipelines: {{idle_interval: 2m}}}}
  - {{slug: gh/acme/api, interval: 1h, collectors: [workflows, runs]}}
  - {{slug: gh/acme/docs, interval: 5m, collectors: [workflows]}}
"""


@dataclass(frozen=True)
class Look:
    """What was to be seen at one moment; `minute` is counted from the beginning."""

    minute: float
    samples: dict[str, float]
    page: str
    health: dict[str, dict[str, str]]
    """By project and collector."""

    def of(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of one name with these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return {
            series: value
            for series, value in self.samples.items()
            if series.partition("{")[0] == name and all(pair in series for pair in wanted)
        }

    def one(self, name: str, **labels: str) -> float | None:
        """The only sample of one name with these labels; None where there is none."""
        (value,) = self.of(name, **labels).values() or [None]
        return value

    def age(self, slug: str, collector: str) -> float:
        """Seconds since the last success that is shown."""
        name = "circleci_exporter_collector_last_success_timestamp_seconds"
        return NOON + self.minute * MINUTE - (self.one(name, project=slug, collector=collector) or -math.inf)

    def success(self) -> dict[tuple[str, str], float]:
        """By project and collector."""
        return {
            (slug, collector): value
            for slug in SLUGS
            for collector in ("workflows", "jobs", "runs", "pipelines")
            if (value := self.one("circleci_exporter_collector_success", project=slug, collector=collector)) is not None
        }


@dataclass
class Night:
    """The parts, and what was seen so far."""

    clockwork: Clockwork
    circle: Circle
    term: Term
    token: Path
    log: list[tuple[float, str, str, dict[str, Any]]]
    """Minute, level, event and fields."""
    looks: list[Look] = field(default_factory=list)
    asked: list[tuple[float, str, int]] = field(default_factory=list)
    """Minute, path and status of each request that CircleCI got; a status of 0 where it answered nothing."""

    @property
    def minute(self) -> float:
        return (self.clockwork.now - self.began) / MINUTE

    began: float = 0.0

    def until(self, minute: float, happens: Callable[[float], object] = lambda _: None) -> None:
        """Let time pass, and look each half a minute; `happens` is told each full minute before that."""
        while self.minute < minute - 1e-9:
            steps = math.floor(self.minute * MINUTE / EVERY + 1e-9) + 1
            self.clockwork.sleep(self.began + steps * EVERY - self.clockwork.now)
            if steps % (MINUTE // EVERY) == 0:
                happens(round(self.minute))
            self.looks.append(self.look())

    def look(self) -> Look:
        pieces, _ = self.term.exposition(openmetrics=False, gzip=False)
        samples = {}
        for line in b"".join(pieces).decode().splitlines():
            if not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                samples[series] = float(value)
        projects, _, _ = self.term.figures.read()
        health = {each.slug: {one.name: one.state.value for one in each.collectors} for each in projects}
        return Look(round(self.minute, 3), samples, verdict(self.term.api())[0], health)

    def between(self, begin: float, end: float) -> list[Look]:
        """What was seen within these minutes, both included."""
        return [look for look in self.looks if begin <= look.minute <= end]

    def at(self, minute: float) -> Look:
        (look,) = self.between(minute, minute)
        return look

    def requests(self, begin: float, end: float) -> list[tuple[float, str, int]]:
        return [each for each in self.asked if begin <= each[0] < end]

    def said(self, begin: float, end: float) -> list[tuple[str, str]]:
        """Level and event of what was logged within these minutes."""
        return [(level, event) for minute, level, event, _ in self.log if begin <= minute < end]

    def run(self, slug: str, workflow: str, *, status: str = "success", seconds: int = 90) -> None:
        """Let a run of a workflow happen that begins now and ends by itself."""
        now = self.circle.clock.now() // 1
        ends = now + seconds
        jobs = [
            {"name": JOBS[0], "status": "success", "started": now + 5, "stopped": now + 30},
            {"name": JOBS[1], "status": status, "started": now + 35, "stopped": ends, "dependencies": [JOBS[0]]},
        ]
        made = {"name": workflow, "status": status, "stopped": ends, "jobs": jobs, "shown": ends, "credits": 7}
        self.circle.pipelines.add(slug, workflows=[made])

    def truth(self, slug: str) -> dict[str, int]:
        """How many runs of a project have ended, by workflow and status."""
        found: dict[str, int] = {}
        for tally in self.circle.organization.truth():
            if tally.slug == slug:
                key = f"{tally.workflow} {tally.status}"
                found[key] = found.get(key, 0) + tally.runs
        return found

    def counted(self, slug: str, look: Look) -> dict[str, int]:
        """The same, as it is shown."""
        found = {}
        for workflow in WORKFLOWS:
            for status in ("success", "failed"):
                name, labels = "circleci_workflow_runs_total", {"workflow": workflow, "status": status}
                if count := sum(look.of(name, project=slug, **labels).values()):
                    found[f"{workflow} {status}"] = int(count)
        return found


class Log:
    """A logger that keeps what it is given, with its time."""

    def __init__(self, night: Callable[[], float]) -> None:
        self._minute = night
        self.lines: list[tuple[float, str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return partial(self._keep, level)

    def _keep(self, level: str, event: str, **fields: Any) -> None:
        self.lines.append((self._minute(), level, event, fields))


class NightlyCircle(Circle):
    """Tells of each request, at the time of the night."""

    told: Callable[[str, int], None]

    def answer(self, request: Any) -> Any:
        reply = super().answer(request)
        seen = self.requests[-1]
        self.told(seen.path, seen.status)
        return reply


@contextmanager
def night(folder: Path) -> Iterator[Night]:
    """Begin it; every part ends with it."""
    circle = NightlyCircle(start=NOON, speed=0, quiet=True, refresh=1)
    for slug in SLUGS:
        circle.organization.roster.add(slug)
    clockwork = Clockwork(lateness=LATENESS)
    began = clockwork.now
    log = Log(lambda: (clockwork.now - began) / MINUTE)

    def moved(now: float) -> None:
        circle.clock.advance(NOON + now - began - circle.clock.now())

    clockwork.moved = moved
    token = folder / "token"
    token.write_text(circle.token)
    config = parse(CONFIGURATION.format(url=circle.url, token=token))
    clocks = Clocks(lambda: NOON + clockwork.now - began, clockwork.clock, clockwork)
    with circle:
        term = Term(config, Options(), cast("Logger", log), {}, webhooks=False, clocks=clocks)
        running = Night(clockwork, circle, term, token, log.lines)
        running.began = began
        circle.told = lambda path, status: running.asked.append((running.minute, path, status))
        clockwork.counted(1)  # this thread: no time passes while it looks
        term.restore()
        term.start()
        try:
            yield running
        finally:
            term.stop()
            clockwork.end()
            term.close()
