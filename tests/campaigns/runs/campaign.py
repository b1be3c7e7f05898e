"""The exporter is killed again and again while runs happen and CircleCI fails; then its counters meet the truth."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.campaigns.runs.counting import Counted, read_counters, true_counters
from tests.campaigns.runs.producer import NAMED, SLUG, Producer
from tests.circleci import RemoteCircle
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.campaigns.runs.counting import Branch
    from tests.running.program import Scrape

TOKEN = "CCIPAT_exactly-once_must-be-seen-nowhere"
BOUNDS = (30, 90, 120, 180, 240, 420, 600, 720, 1080, 1500, 2100, 3000, 4200, 6000, 9000, 14400)
RUNS = r"workflows/.*start-date"
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
state: {{path: "{state}"}}
projects:
  - slug: {slug}
    collectors: [runs]
    branches: [develop, "release/*"]
    stale_after: 1h
    runs: {{interval: 1s, lookback: 1h, sweep: 3s}}
"""

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("throttle", {"retry_after": 1}),
    ("server_error", {}),
    ("bad_gateway", {}),
    ("unavailable", {}),
    ("unauthorized", {}),
    ("cdn_block", {}),
    ("not_found", {}),
    ("redirect", {"to": "https://example.com/"}),
    ("html_200", {}),
    ("empty", {}),
    ("invalid_json", {}),
    ("invalid_utf8", {}),
    ("missing_items", {}),
    ("items_object", {}),
    ("deep", {}),
    ("row_is_text", {}),
    ("surrogate", {"path": "items.0.branch"}),
    ("put", {"path": "items.0.created_at", "value": "yesterday"}),
    ("put", {"path": "items.0.id"}),
    ("put", {"path": "items.0.status", "value": 7}),
    ("duplicate_rows", {}),
    ("repeated_token", {}),
    ("bad_token", {}),
    ("truncated", {}),
    ("cut_chunk", {}),
    ("gzip", {}),
    ("chunked", {}),
    ("gzip_garbage", {}),
    ("reset", {}),
    ("close", {}),
    ("hang", {"seconds": 3}),
    ("drip_body", {"interval": 0.5}),
    ("drip_headers", {"interval": 0.5}),
    ("delay", {"seconds": 0.4}),
)
"""Faults of single answers. None of them lies about a run that it lets through."""


PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections, which could take a port while its owner is killed."""


def free_port() -> int:
    """A port that whoever was killed finds free again."""
    while True:
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


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

    def __enter__(self) -> Self:
        self.circle = RemoteCircle.spawn(
            "--quiet", "--refresh", "1", "--start", str(time.time() + self.skew), "--seed", str(self.seed), token=TOKEN
        )
        self.producer = Producer(self.circle, Random(self.seed + 1))  # noqa: S311  as above
        self.producer.first()
        time.sleep(1.1)  # until the next aggregation lists the workflows
        self.exporter = self.start()
        self.until(lambda found: set(found) == self.all_series(), "all series at 0")
        self.before = self.circle.truth()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.exporter.end()
        self.circle.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Exporter:
        """Start the exporter on the state that there is."""
        configuration = CONFIGURATION.format(url=self.circle.url, state=self.folder / "state.db", slug=SLUG)
        exporter = Exporter(self.folder, configuration, token=TOKEN, address=self.address)
        exporter.wait_for_start()
        return exporter

    # ---- what happens

    def let_runs_happen(self, *, a_second: int, every: float = 0.1) -> threading.Thread:
        """Produce runs in a thread of its own until `end`."""
        return self._in_a_thread(lambda: self.producer.some(max(1, int(a_second * every))), every)

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

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet; now and then pages shift instead."""
        if self.random.random() < 0.2:
            now = self.circle.advance(0.0)
            more = [run for run in (self.producer.run(now) for _ in range(30)) if run["status"] is not None]
            self.circle.fail("as_is", RUNS, times=1, runs=more)
        else:
            kind, options = self.random.choice(FAULTS + self.more_faults)
            self.circle.fail(kind, RUNS, times=self.random.randint(1, 3), **options)
        self.faults += 1

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

    def see(self, values: dict[str, float]) -> None:
        self.scrapes += 1
        for name, value in values.items():
            if name.startswith(("circleci_workflow_runs_", "circleci_workflow_run_")):
                before = self.heights.get(name, 0.0)
                if value < before:
                    self.falls.append(f"{name} fell from {before} to {value}")
                self.heights[name] = value
        gone = {name for name in self.heights if name not in values}
        self.falls += [f"{name} was gone" for name in gone]

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

    # ---- how it ends

    def end(self, producing: Iterable[threading.Thread]) -> None:
        """No more runs, no more faults; wait until everything that ran has been polled."""
        self.halt(producing)
        self.producer.release()
        self.circle.heal()
        time.sleep(3.2)  # until the last run has stopped and is shown
        self.until(lambda found: found == self.truth(), "the counters to be those of the truth")
        self.watch(3.5)  # a sweep more changes nothing

    def halt(self, producing: Iterable[threading.Thread]) -> None:
        """Produce no more."""
        self._done.set()
        for thread in producing:
            thread.join(PATIENCE)
        assert not self._troubles

    def all_series(self) -> set[Branch]:
        return set(self.counters(self.circle.truth()))

    def counters(self, tallies: list[dict[str, Any]]) -> dict[Branch, Counted]:
        return true_counters(tallies, BOUNDS, NAMED, SLUG)

    def truth(self) -> dict[Branch, Counted]:
        """What has run since the first good poll."""
        found, before = self.counters(self.circle.truth()), self.counters(self.before)
        return {branch: less(counted, before.get(branch, Counted())) for branch, counted in found.items()}

    def durations(self) -> dict[Branch, list[int]]:
        """All durations that the histogram has observed since the first good poll, sorted."""
        found: dict[Branch, list[int]] = {}
        for sign, tallies in ((1, self.circle.truth()), (-1, self.before)):
            for tally in tallies:
                branch = tally["branch"] if tally["branch"] in NAMED else "other branches"
                one = found.setdefault((tally["workflow"], branch), [])
                if sign > 0:
                    one += tally["durations"]
                else:
                    for duration in tally["durations"]:
                        one.remove(duration)
        return {branch: sorted(durations) for branch, durations in found.items()}

    def until(self, true: Any, why: str, timeout: float = PATIENCE) -> None:
        wait_until(lambda: true(read_counters(self.exporter.scrape().text)), timeout, 0.1, why=why)


def less(all_of_them: Counted, some: Counted) -> Counted:
    """The counters without those of some runs."""
    return Counted(
        all_of_them.statuses - some.statuses,
        {bound: number - some.buckets.get(bound, 0) for bound, number in all_of_them.buckets.items()},
        all_of_them.seconds - some.seconds,
        all_of_them.observed - some.observed,
        all_of_them.credits - some.credits,
    )
