"""A simulated day of pipelines: how many API calls it takes to know what runs now, and how soon an end is counted.

100 projects of one organization, 2 workflows of 6 jobs a pipeline, 1,000 pipelines a day on a working-day curve, runs
of 2 to 40 minutes (median 8), 2 % of the pipelines on hold for hours, 3 % re-run later. The clock is injected; the
answers come from the synthetic CircleCI without a network. Run it with `python -m benchmarks.now`.
"""

from __future__ import annotations

import heapq
import json
import math
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlencode

from benchmarks.pipelines_made import DAY, DAYS, HOUR, PIPELINES_A_DAY, START, Days, plain_calls, projects
from exporter.config import parse
from exporter.demo.clock import Clock
from exporter.demo.messages import Request
from exporter.demo.organization import Organization
from exporter.demo.routes import respond
from exporter.insights.collectors import PIPELINES
from exporter.knowledge.snapshots import Snapshot
from exporter.polling import pipelines, runs
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.coverage import Coverage
from exporter.polling.failure_log import FailureLog
from exporter.polling.inbox import Inbox
from exporter.polling.organization_list import OrganizationList
from exporter.polling.pace import Pace
from exporter.publishing.store import SnapshotStore
from exporter.runs.hints import Hint
from exporter.runs.watching import LOOK_EVERY
from exporter.state import StateStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from exporter.client import Client
    from exporter.insights.questions import Question

PROJECTS = 100
OK = 200
SINCE, UNTIL = START + (DAYS - 1) * DAY, START + DAYS * DAY


class Direct:
    """Answers questions from the synthetic CircleCI without a network, and counts them."""

    lost = None

    def __init__(self, organization: Organization) -> None:
        """Nothing was asked yet."""
        self.organization = organization
        self.calls: Counter[str] = Counter()

    def pages(self, question: Question, *, deadline: float, **_how: object) -> Iterator[object]:  # noqa: ARG002  a Client
        """All pages of an answer."""
        token = None
        while True:
            self.calls[question.endpoint] += 1
            params = [*question.params, *([("page-token", token)] if token else [])]
            target = f"/api/v2{question.path}" + (f"?{urlencode(params)}" if params else "")
            reply, _ = respond(self.organization, Request("GET", target, {}, b""))
            page: dict[str, Any] = json.loads(reply.body)
            if reply.status != OK:
                sys.exit(f"{target}: {page}")
            token = page.get("next_page_token")
            yield page
            if not token:
                return

    def date(self) -> float:
        """CircleCI's clock."""
        return self.organization.clock.now()


@dataclass
class Result:
    """What the day cost: calls by endpoint, seconds from each end to its count, CPU of all polls."""

    calls: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    ends: int = 0
    looks: int = 0
    cpu: float = 0.0

    @property
    def calls_an_hour(self) -> float:
        """All endpoints together."""
        return sum(self.calls.values()) / ((UNTIL - SINCE) / HOUR)


class Telling(Telemetry):
    """Telemetry that keeps the delays one by one."""

    def __init__(self, delays: list[float]) -> None:
        """Add them to `delays`."""
        super().__init__("bench", (PIPELINES, "runs"))
        self._kept = delays

    def run_counted(self, source: str, delay: float) -> None:  # noqa: ARG002  as its base
        """Keep one."""
        self._kept.append(delay)


class Simulation:
    """The days, lived through by the polls of one collector."""

    def __init__(
        self,
        settings: str,
        count: int = PROJECTS,
        active: int = PROJECTS,
        collector: str = PIPELINES,
        a_day: int = PIPELINES_A_DAY,
        *,
        hinted: float | None = None,
    ) -> None:
        """`active` of the projects have pipelines, `a_day` together; `settings` stand under `defaults`.

        With `hinted` an event tells of each end, so many seconds later.
        """
        made = projects(count)
        self._now = START - HOUR
        self._clock = Clock(self._now, 0)
        organization = Organization(made, clock=self._clock, quiet=True, refresh=1)
        self.slugs = [project.slug for project in made]
        self.days = Days(organization, self.slugs[:active], a_day=a_day)
        listed = ", ".join(self.slugs)
        config = parse(f"defaults: {{collectors: [{collector}], {settings}}}\nprojects: [{listed}]")
        self.result, self._client = Result(), Direct(organization)
        telemetry, log = Telling(self.result.delays), configure("error", "logfmt")
        clocks = Clocks(lambda: self._now, lambda: self._now)
        self.attempts = Attempts(cast("Client", self._client), clocks, telemetry, log)
        self.store, self._coverage = SnapshotStore(), Coverage()
        self._state = StateStore.open(None, "bench", telemetry, log, wall=clocks.wall)
        kept = self.attempts, self.store, self._state, FailureLog(log)
        watches, self.inbox = collector == PIPELINES, Inbox(self._state, clocks.wall)
        pace = Pace(self._coverage, self.inbox, clocks.wall, self.attempts.ahead)
        self._kind = pipelines.kind(*kept, pace) if watches else runs.kind(*kept)
        self.store.publish(map(Snapshot, config.projects), self._now)
        self._list_due = self._now if watches and count > 1 else math.inf
        self._due = {slug: self._now + number / count * 10 for number, slug in enumerate(self.slugs)}
        self._queue = [(due, slug) for slug, due in self._due.items()]
        ends = self.days.spans if hinted is not None else ()
        self._events = sorted(
            ((span.stopped + (hinted or 0.0), span) for span in ends), key=lambda event: event[0], reverse=True
        )
        self._every = config.projects[0].pipelines.interval

    def close(self) -> None:
        self._state.close()

    def run(self) -> Result:
        """Live through all of it; what the last day cost counts."""
        counting, began = False, 0.0
        while (moment := min(self._queue[0][0], self._list_due, self._told_at)) < UNTIL:
            if moment >= SINCE and not counting:
                counting = True
                self._client.calls.clear()
                self.result.delays.clear()
                self.result.looks = 0
                began = time.process_time()
            self._now = max(self._now, moment)
            self._clock.advance(self._now - self._clock.now())
            if self._told_at <= moment:
                _, span = self._events.pop()
                self.inbox.accept(Hint(span.slug, span.workflow, span.pipeline, ended=True, taken_at=self._now))
                self._wake([span.slug])
            elif self._list_due <= moment:
                OrganizationList(
                    "gh/acme", frozenset(self.slugs), self._every, self.attempts, self._coverage, arrived=self._wake
                ).step()
                self._list_due = self._now + LOOK_EVERY * self._every
            else:
                self._poll(*heapq.heappop(self._queue))
        self.result.cpu = time.process_time() - began
        self.result.calls = self._client.calls
        self.result.ends = sum(SINCE <= span.stopped < UNTIL for span in self.days.spans)
        return self.result

    @property
    def _told_at(self) -> float:
        """When an event tells of the next end."""
        return self._events[-1][0] if self._events else math.inf

    def _poll(self, due: float, slug: str) -> None:
        if self._due[slug] != due:  # it was polled meanwhile
            return
        self.result.looks += 1
        poll = self._kind.begin(slug)
        while poll is not None and poll.step():
            pass
        snapshot = self.store.get(slug)
        if snapshot is not None:
            self._at(slug, self._now + self._kind.interval(snapshot))

    def _wake(self, slugs: Collection[str]) -> None:
        for slug in slugs:
            self._at(slug, self._now)

    def _at(self, slug: str, due: float) -> None:
        self._due[slug] = due
        heapq.heappush(self._queue, (due, slug))


class Case(NamedTuple):
    """One row of the table: settings that stand under `defaults`, and how much there is to watch."""

    name: str
    settings: str
    projects: int = PROJECTS
    collector: str = PIPELINES
    hinted: float | None = None
    """Seconds from a run's end to the event that tells of it."""


SPARSE = "interval: 30m, idle_interval: 6h"
CASES = (
    Case("`pipelines` with jobs", "pipelines: {interval: 1m}"),
    Case("`pipelines` without jobs", "pipelines: {interval: 1m, jobs: false}"),
    Case(
        "`pipelines` without jobs, 5,000 projects of which 200 are active, `idle_interval: 1h`",
        "pipelines: {interval: 1m, jobs: false, idle_interval: 1h}",
        5000,
    ),
    Case("`runs` every 5 minutes, from Insights", "runs: {interval: 5m}", collector="runs"),
    Case("`interval: 10m`, and webhooks", "pipelines: {interval: 10m}", hinted=1.0),
    Case("`interval: 10m` without jobs, and webhooks", "pipelines: {interval: 10m, jobs: false}", hinted=1.0),
    Case(
        f"`{SPARSE}`, `runs: {{sweep: 6h}}`, and webhooks", f"pipelines: {{{SPARSE}}}, runs: {{sweep: 6h}}", hinted=1.0
    ),
    Case(
        f"`{SPARSE}`, `runs: {{sweep: 6h}}` without jobs, and webhooks",
        f"pipelines: {{{SPARSE}, jobs: false}}, runs: {{sweep: 6h}}",
        hinted=1.0,
    ),
)


def main() -> None:
    """Print the table; with numbers on the command line only those rows."""
    print("| polled by | calls an hour | p50 | p95 | runs counted | CPU of a poll |\n|---|---|---|---|---|---|")
    wanted = [CASES[int(number)] for number in sys.argv[1:]] or CASES
    for case in wanted:
        simulation = Simulation(
            case.settings, case.projects, min(case.projects, 200), case.collector, hinted=case.hinted
        )
        with closing(simulation):
            result = simulation.run()
        delays = result.delays
        spread = (
            f"{median(delays):.1f} s | {quantiles(delays, n=20)[-1]:.1f} s" if delays else "up to a day | up to a day"
        )
        counted = f"{len(delays)} of {result.ends}" if delays else "late"
        cpu = 1000 * result.cpu / result.looks
        print(f"| {case.name} | {result.calls_an_hour:.0f} | {spread} | {counted} | {cpu:.2f} ms |", flush=True)
        if case is CASES[0]:
            for jobs in (True, False):
                plain = plain_calls(simulation.days.spans, PROJECTS, jobs=jobs, since=SINCE, until=UNTIL)
                told = "with" if jobs else "without"
                print(f"| a plain poller, every minute, {told} jobs | {plain:.0f} | 30 s | 57 s | | |")


if __name__ == "__main__":
    main()
