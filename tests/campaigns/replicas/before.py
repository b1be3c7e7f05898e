"""The frame that campaigns had before `tests.campaigns.frame`, until that of replicas is on it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.campaigns.frame import TOKEN
from tests.campaigns.pipelines import attempts
from tests.campaigns.pipelines.faults import ENDPOINTS, FORMS, LISTS, WIRE
from tests.campaigns.pipelines.producer import NAMED, SLUGS, Producer
from tests.campaigns.pipelines.reading import COUNTERS, GAUGES
from tests.campaigns.pipelines.truth import Rules, gauges, has_ended
from tests.campaigns.samples import differences, of, read
from tests.circleci import RemoteCircle
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.campaigns.pipelines.truth import Facts
    from tests.campaigns.samples import Samples
    from tests.running.program import Scrape

BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0)
WAITS = (1.0, 2.0, 5.0)
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
state: {{path: "{state}"}}
defaults:
  collectors: [pipelines]
  branches: [develop, "release/*"]
  stale_after: 1h
  max_series: 100000
  runs: {{lookback: 1h, sweep: 3s, buckets: [1s, 2s, 5s, 10s, 20s]}}
  pipelines: {{interval: {interval}, idle_interval: 3s, wait_buckets: [1s, 2s, 5s]}}
projects: [{projects}]
"""
HELD_FOR = 0.9
"""Seconds for which a new series is at 0 at the least; it is held back for one."""


@dataclass
class Campaign:
    """What happened, and what a scrape may never show."""

    folder: Path
    seed: int
    skew: float = 7200.0
    """How far the clock of CircleCI is ahead of the exporter's, in seconds."""
    more_faults: tuple[tuple[str, dict[str, Any]], ...] = ()
    kills: int = 0
    faults: int = 0
    scrapes: int = 0
    falls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  nothing secret hangs on it
        self.port = free_port()
        self.heights: dict[str, float] = {}
        self._done = threading.Event()
        self._troubles: list[BaseException] = []

    circle: RemoteCircle = field(init=False)
    exporter: Exporter = field(init=False)

    def start(self) -> Exporter:
        raise NotImplementedError

    def let_it_fail(self) -> None:
        raise NotImplementedError

    def see(self, values: dict[str, float]) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.exporter.end()
        self.circle.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    # ---- what happens

    def _in_a_thread(self, some: Callable[[], None], every: float) -> threading.Thread:
        def produce() -> None:
            try:
                while not self._done.wait(every):
                    some()
            except BaseException as trouble:
                self._troubles.append(trouble)
                raise

        thread = threading.Thread(target=produce, daemon=True)
        thread.start()
        return thread

    def watch(self, seconds: float) -> None:
        """Scrape for a while; no counter may fall."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.05)

    def look(self) -> Scrape:
        """Scrape once."""
        scrape = self.exporter.scrape()
        self.see(scrape.values)
        return scrape

    def kill_it(self) -> None:
        """Kill the exporter and start it again; its first scrape shows no less than its last."""
        self.exporter.kill()
        self.exporter = self.start()
        self.look()
        self.kills += 1

    def kill_often(self, times: int, *, within: float) -> None:
        """Kill it so many times at random moments, each within some seconds of its start, while answers fail."""
        for _ in range(times):
            self.let_it_fail()
            self.watch(self.random.uniform(0.1, within))
            self.kill_it()

    def halt(self, producing: Iterable[threading.Thread]) -> None:
        """Produce no more."""
        self._done.set()
        for thread in producing:
            thread.join(PATIENCE)
        assert not self._troubles


class PipelineCampaign(Campaign):
    """Three projects of one organization, killed as one exporter."""

    interval = "1s"
    """Between two looks; a new series is shown at 0 for as long."""
    seen_within = 90.0
    """Seconds without getting nearer to the truth after which it is missed, however busy the machine is."""
    looked_at = 0.0
    """Before the newest scrape, or the start of the process that was scraped since."""

    def __enter__(self) -> Self:
        """Let some pipelines end and others be on hold before the first look, and wait until that is over."""
        self.circle = RemoteCircle.spawn(
            *("--quiet", "--refresh", "1", "--delay", "2", "--seed", str(self.seed)),
            *("--start", str(time.time() + self.skew)),
            token=TOKEN,
        )
        self.circle.change_projects(add=[{"slug": slug} for slug in SLUGS])
        chance = Random(self.seed + 1)  # noqa: S311  nothing secret hangs on it
        self.pipelines = Producer(self.circle.change_pipelines, chance, unit=1, hidden_again=False)
        self.pipelines.some(self.now(), 40)
        wait_until(self.is_quiet, PATIENCE, 0.5, why="all that is not held to end")
        self.began = self.now()
        self.exporter = self.start()
        self.exporter.until(self._was_polled, "the first look at all projects")
        time.sleep(2)  # times are cut to whole seconds: what happens next must not look as if it had ended before
        return self

    def start(self) -> Exporter:
        """Start the exporter on the state that there is; what it holds back it shows no sooner than at first."""
        self.looked_at = time.monotonic()
        configuration = CONFIGURATION.format(
            url=self.circle.url, state=self.folder / "state.db", projects=", ".join(SLUGS), interval=self.interval
        )
        exporter = Exporter(self.folder, configuration, token=TOKEN, address=self.address)
        exporter.wait_for_start()
        return exporter

    def now(self) -> float:
        """CircleCI's clock."""
        return self.circle.advance(0.0)

    def is_quiet(self) -> bool:
        """Whether nothing happens by itself any more."""
        now = self.now()
        held = {workflow for workflow, _, _ in self.pipelines.held}
        later = self.facts(now + 3600)
        return all(
            run["id"] in held or (has_ended(run) and _over(run) < now - 1)
            for each in later
            for run in each["workflows"]
        ) and all(until < now - 1 for each in later for _, until in each["before"])

    @staticmethod
    def _was_polled(scrape: Any) -> bool:
        polled = [scrape.get("collector_success", project=slug, collector="pipelines") for slug in SLUGS]
        return polled == [1.0] * len(SLUGS)

    # ---- what happens

    def produce(self, a_second: float, every: float = 0.25) -> threading.Thread:
        """Let pipelines happen in a thread of their own until `end`."""
        owed = 0.0

        def some() -> None:
            nonlocal owed
            owed += a_second * every
            self.pipelines.some(self.now(), int(owed))
            owed -= int(owed)

        return self._in_a_thread(some, every)

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet; now and then pages shift instead."""
        if self.random.random() < 0.2:
            self.circle.fail("as_is", LISTS, times=1, steps=self.pipelines.unexpected(self.now(), 25))
        else:
            kind, options = self.random.choice(WIRE + FORMS + self.more_faults)
            times, after = self.random.randint(1, 3), self.random.randrange(4)
            self.circle.fail(kind, self.random.choice(ENDPOINTS), times=times, after=after, **options)
        self.faults += 1

    def look(self) -> Scrape:
        """Scrape once."""
        began = time.monotonic()
        scrape = super().look()
        self.looked_at = began
        return scrape

    def see(self, values: dict[str, float]) -> None:
        """No counter may fall, nor be gone, nor be born above 0 unless nobody looked while it was at 0."""
        self.scrapes += 1
        in_time = time.monotonic() - self.looked_at < HELD_FOR
        found = {name: value for name, value in values.items() if name.startswith(COUNTERS)}
        for name, value in found.items():
            before = self.heights.get(name)
            if before is None and value and in_time:
                self.falls.append(f"{name} was born at {value}")
            elif before is not None and value < before:
                self.falls.append(f"{name} fell from {before} to {value}")
        self.falls += [f"{name} was gone" for name in self.heights.keys() - found.keys()]
        self.heights = found

    # ---- how it ends

    def end(self, producing: Iterable[threading.Thread]) -> None:
        """No more pipelines, no more faults; wait until everything that ran has been seen."""
        self.halt(producing)
        self.circle.heal()
        self.settle()  # some runs are held: what is in progress is shown as it is
        self.pipelines.release(self.now())
        self.pipelines.release(self.now())
        self.watch(1.0)
        self.settle()
        self.watch(4.5)  # a sweep more changes nothing

    def settle(self) -> None:
        """Wait until all that is shown is the truth, for as long as it gets nearer: the machine may be busy."""

        def differ() -> list[str]:
            samples = read(self.look().text)
            facts = self.facts()
            now = gauges(facts, NAMED, SLUGS) | attempts.red(facts, NAMED, dict.fromkeys(SLUGS, self.began))
            return differences(of(samples, COUNTERS), self.counts(facts)) + differences(of(samples, GAUGES), now)

        wait_until(self.is_quiet, self.seen_within, 0.5, why="all that is not held to end")
        began = nearer = time.monotonic()
        fewest = len(found := differ())
        while found:
            assert time.monotonic() - nearer < self.seen_within, "\n".join(found[:20])
            time.sleep(max(time.monotonic() - began, 0.2))  # comparing takes no more than half of the time
            began = time.monotonic()
            found = differ()
            if len(found) < fewest:
                fewest, nearer = len(found), began

    def facts(self, at: float | None = None) -> list[Facts]:
        """Everything, as it looks at a time of CircleCI's clock."""
        return self.circle.pipelines(at)

    def counts(self, facts: list[Facts]) -> Samples:
        """What is to be counted by now."""
        return attempts.whole(Rules(dict.fromkeys(SLUGS, self.began), NAMED, BUCKETS, WAITS), facts)


def _over(run: Facts) -> float:
    ends = [job["stopped"] or job["ended"] or 0.0 for job in run["jobs"]]
    return float(max([run["stopped"] or run["created"], *ends]))
