"""Three projects of one organization in this process: pipelines by the minute, clocks that differ, restarts, faults."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.insights.collector import PIPELINES_POLL
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.polling.organization_list import OrganizationList
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.campaigns.pipelines import attempts
from tests.campaigns.pipelines.faults import ENDPOINTS, FORMS, LISTS
from tests.campaigns.pipelines.producer import NAMED, SLUGS, Producer
from tests.campaigns.pipelines.reading import COUNTERS, GAUGES
from tests.campaigns.pipelines.truth import Rules, gauges
from tests.campaigns.reader import Reader
from tests.campaigns.samples import of, read, risen
from tests.circleci import Circle

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.config import Config, Project
    from exporter.process.lease import Lease
    from exporter.state.records import Stored
    from exporter.system.logs import Logger
    from tests.campaigns.pipelines.truth import Facts
    from tests.campaigns.samples import Samples

NOON = 1_790_000_000.0
DAY = 86_400.0
MINUTE = 60
STATUSES: tuple[tuple[str, dict[str, Any]], ...] = (("server_error", {}), ("not_found", {}), ("forbidden", {}))
BUCKETS = (30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
WAITS = (1.0, 60.0, 120.0, 300.0)
SETTINGS = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
state: {{path: "{path}"}}
defaults:
  collectors: [pipelines]
  branches: {branches}
  max_series: 100000
  runs: {{lookback: 1d, sweep: 10m, buckets: {buckets}}}
  pipelines: {{interval: 1m, idle_interval: 5m, jobs: {jobs}, wait_buckets: [1s, 1m, 2m, 5m]}}
projects: [{projects}]
"""
AT_FIRST = {"branches": "[develop, 'release/*']", "buckets": "[30s, 1m, 2m, 5m, 10m, 20m]", "jobs": "true"}


class Story:
    """What happens to one exporter, by chance."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random = Random(seed)  # noqa: S311  nothing secret hangs on it
        self.settings = dict(AT_FIRST)
        self.path, self.now = path, NOON + random.choice((0.0, -3 * DAY, 3 * DAY, random.uniform(-7200, 7200)))
        delay = random.choice((0.0, 1800.0, 7200.0))
        self.circle = Circle(start=NOON, speed=0, quiet=True, refresh=1, delay=delay, seed=seed).start()
        for slug in SLUGS:
            self.circle.organization.roster.add(slug)
        self.producer = Producer(self._change, Random(seed + 1), unit=MINUTE)  # noqa: S311  as above
        self.reader = Reader()
        self.began: dict[str, float] = {}
        self.restarts = self.faults = self.looks = self.reruns = 0
        self.open()

    def _change(self, *steps: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        return [self.circle.pipelines.step(action, given) for action, given in steps]

    def open(self) -> None:
        """Start the engine, as a restart does."""
        self.log = CapturingLogger()
        self.engine = self.made()

    def made(self, lease: Lease | None = None) -> Engine:
        """An engine that shows what the state knows."""
        config = self._config()
        environ, clocks = {"CIRCLECI_TOKEN": self.circle.token}, Clocks(lambda: self.now)
        engine = Engine(config, cast("Logger", self.log), environ=environ, clocks=clocks, lease=lease)
        found = {each.slug: each for each in engine.state.load()}
        engine.store.publish(
            [self._restored(project, found.get(project.slug)) for project in config.projects], self.now
        )
        return engine

    def _config(self) -> Config:
        projects = ", ".join(SLUGS)
        return parse(SETTINGS.format(url=self.circle.url, path=self.path, projects=projects, **self.settings))

    def reload(self, **settings: str) -> None:
        """Change settings while it runs; what is shown of them changes with the next look."""
        self.settings |= settings
        config, store = self._config(), self.engine.store
        self.engine.prepare(config)()
        for project in config.projects:
            before = store.get(project.slug)
            assert before is not None
            store.publish([plan.pruned(replace(before, project=project))[0]], self.now)
        self.reader.forget()
        self.look(60)

    def _restored(self, project: Project, stored: Stored | None) -> Snapshot:
        if stored is None or stored.ledger is None or stored.live is None:
            return Snapshot(project)
        ledger = stored.ledger.shown_anew(self.now)
        return Snapshot(project, stored.facts, {}, stored.outcomes, ledger=ledger, live=stored.live)

    def restart(self, *, away: bool = False) -> None:
        """End the engine and start it again; `away` says that nothing was committed for long."""
        self.engine.close()
        self.open()
        self.see(away=away)
        self.restarts += 1

    def close(self) -> None:
        """End both sides."""
        self.engine.close()
        self.circle.stop()

    # ---- what happens

    def pass_time(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.now += seconds
        self.circle.clock.advance(seconds)

    def look(self, after: float = 0.0) -> None:
        """Let time pass; read the organization's list, then poll each project until nothing more is due."""
        self.pass_time(after)
        engine = self.engine
        arrived = OrganizationList("gh/acme", SLUGS, 60.0, engine.attempts, engine.coverage, arrived=lambda _: None)
        arrived.step()
        for slug in SLUGS:
            poll = engine.begin(slug, PIPELINES_POLL)
            while poll is not None and poll.step():
                pass
            snapshot = engine.store.get(slug)
            if snapshot is not None and snapshot.live is not None:
                self.began.setdefault(slug, snapshot.live.began)
        self.looks += 1
        self.see()

    def prepare(self) -> None:
        """What has ended, and what is under way, before the first look."""
        for _ in range(10):
            self.producer.some(self.circle.clock.now(), 12)
            self.pass_time(self.random.uniform(60, 300))
        self.pass_time(1)

    def begin(self) -> None:
        """Some things happen, then comes the first look."""
        self.prepare()
        self.look()
        self.pass_time(1)

    def looks_again(self) -> None:
        """Look until all that was held back is shown."""
        for _ in range(3):
            self.look(60)

    def chapter(self) -> None:
        """Something happens, then some looks."""
        random = self.random
        self.circle.heal()
        match random.randrange(9):
            case 0:
                self.restart()
            case 1:  # away for hours, while pipelines go on
                self.engine.close()
                for _ in range(6):
                    self.pass_time(random.uniform(600, 3600))
                    self.producer.some(self.circle.clock.now(), 4)
                self.open()
                self.see(away=True)
            case 2:
                self.now += random.uniform(-900, 900)
            case 3 | 4:
                for _ in range(random.randint(1, 4)):
                    self.fail()
            case 5:
                steps = self.producer.unexpected(self.circle.clock.now(), random.randrange(1, 40))
                self.circle.fail("as_is", LISTS, times=1, steps=steps)
            case 6:
                self.run_old_again()
        for _ in range(random.randint(3, 8)):
            self.producer.some(self.circle.clock.now(), random.choice((0, 1, 1, 2, 5)))
            self.look(random.choice((30.0, 60.0, 60.0, 60.0, random.uniform(60, 300))))

    def run_old_again(self) -> None:
        """Run again what failed hours ago, and is looked at no more for hours; Insights tells of it."""
        now = float(int(self.circle.clock.now()))
        old = [
            run["id"]
            for each in self.facts()
            for run in each["workflows"]
            if each["tag"] is None  # Insights never tells of those
            and run["status"] == "failed"
            and run["shown"] is not None
            and now - DAY / 2 < run["stopped"] < now - 3600
        ]
        for workflow in self.random.sample(old, min(len(old), 3)):
            action, given = self.producer.rerun(workflow, now)
            self._change((action, given | {"insights": True}))
            self.reruns += 1

    def fail(self) -> None:
        """Set a fault that some of the next answers meet."""
        kind, options = self.random.choice(FORMS + STATUSES)
        after, times = self.random.randrange(10), self.random.randint(1, 3)
        self.circle.fail(kind, self.random.choice(ENDPOINTS), times=times, after=after, **options)
        self.faults += 1

    def end(self) -> None:
        """Let everything end, and look until all of it has been seen."""
        self.circle.heal()
        self.producer.leave_it()
        for _ in range(3):
            self.pass_time(60)
            self.producer.release(self.circle.clock.now())
        for after in (*(60,) * 10, *(600,) * 12, *(3600,) * 4):
            self.look(after)

    # ---- what is seen

    def text(self, *, openmetrics: bool = False) -> str:
        """One scrape."""
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=openmetrics, gzip=False)
        return b"".join(pieces).decode()

    def see(self, *, away: bool = False) -> None:
        """No counter falls, none is born above 0; only after hours away none is shown until the first look."""
        self.reader.see(of(read(self.text()), COUNTERS), away=away)
        assert self.reader.troubles == []

    def facts(self, at: float | None = None) -> list[Facts]:
        """Everything, as it looks at a time of CircleCI's clock."""
        return self.circle.pipelines.truth(at)

    def truth(self) -> Samples:
        """What is to be counted by now."""
        return attempts.whole(Rules(self.began, NAMED, BUCKETS, WAITS), self.facts())

    def counted(self) -> Samples:
        """What is counted, without what is at 0."""
        return risen(of(read(self.text()), COUNTERS))

    def in_progress(self) -> tuple[Samples, Samples]:
        """What is shown to be in progress or red, and what is; without what is at 0."""
        shown = risen(of(read(self.text()), GAUGES))
        facts = self.facts()
        return shown, gauges(facts, NAMED, SLUGS) | attempts.red(facts, NAMED, self.began)
