"""A simulated day of one large repository: how soon an end is counted when answers take their time, and some fail.

One project, 2,000 pipelines on a working-day curve, 4 workflows of 20 jobs each, runs of a median of 12 minutes. Each
answer comes after 300 ms; on other days 3 % of them are failures. The real polls, threads and limiter run on a clock
that moves while all of them wait. Run it with `python -m benchmarks.repository`.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections import Counter
from contextlib import closing
from statistics import median, quantiles
from threading import Event
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from benchmarks.now import OK, Telling
from benchmarks.pipelines_made import BUSY, DAY, HOUR, MINUTE, START
from exporter.client import Limiter
from exporter.client.failures import delay
from exporter.config import parse
from exporter.demo.clock import Clock
from exporter.demo.messages import Request
from exporter.demo.model import DemoJob, DemoProject, DemoWorkflow, Owner
from exporter.demo.organization import Organization
from exporter.demo.routes import respond
from exporter.errors import ServerError
from exporter.knowledge.snapshots import Snapshot
from exporter.polling import pipelines, project
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.coverage import Coverage
from exporter.polling.failure_log import FailureLog
from exporter.polling.inbox import Inbox
from exporter.polling.pace import Pace
from exporter.polling.side_by_side import Threads
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.system.logs import configure
from tests.circleci.pipelines import Pipelines
from tests.running.clockwork import Clockwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.client import Client
    from exporter.insights.questions import Question

SLUG = "gh/acme/all"
A_DAY, WORKFLOWS, JOBS, MEDIAN = 2000, 4, 20, 12 * MINUTE
LATENCY = 0.3
RETRIES = 3
CONCURRENCY = 16
FIRST_HOUR = 6


class Far:
    """Answers questions from the synthetic CircleCI after a while, within a limit, and not always."""

    lost = None

    def __init__(self, organization: Organization, limiter: Limiter, clockwork: Clockwork, failing: float) -> None:
        """`failing` is the share of answers that are failures."""
        self.organization, self._limiter, self._clockwork, self._failing = organization, limiter, clockwork, failing
        self._chance = random.Random(7)  # noqa: S311  the same in each run
        self.calls: Counter[str] = Counter()

    def pages(self, question: Question, *, deadline: float, ahead: bool = False, **_how: object) -> Iterator[object]:
        """All pages of an answer."""
        token = None
        while True:
            params = [*question.params, *([("page-token", token)] if token else [])]
            page = self._page(
                question, f"/api/v2{question.path}" + (f"?{urlencode(params)}" if params else ""), deadline, ahead
            )
            token = page.get("next_page_token")
            yield page
            if not token:
                return

    def _page(self, question: Question, target: str, deadline: float, ahead: bool) -> dict[str, Any]:
        error = ServerError("HTTP 503")
        for tries in range(1, RETRIES + 2):
            with self._limiter.slot(question.slug, deadline, patient=True, ahead=ahead):
                self.calls[question.endpoint] += 1
                fails = self._chance.random() < self._failing
                reply, _ = respond(self.organization, Request("GET", target, {}, b""))
                self._clockwork.sleep(LATENCY)
            if not fails:
                page: dict[str, Any] = json.loads(reply.body)
                if reply.status != OK:
                    sys.exit(f"{target}: {page}")
                return page
            rest = delay(error, tries, stale=False, random=self._chance.random)
            if rest is None:
                break
            self._limiter.rest(rest)
        raise error

    def doubt(self, failure: object, began: float) -> None:
        """CircleCI answers others."""

    def date(self) -> float:
        """CircleCI's clock."""
        return self.organization.clock.now()


def fill(organization: Organization, hours: int) -> list[float]:
    """The pipelines of so many hours of the day, from the first busy one on; returns when each run stops."""
    chance, making = random.Random(1), Pipelines(organization)  # noqa: S311  the same in each run
    stops = []
    for _ in range(A_DAY):
        (hour,) = chance.choices(range(24), BUSY)
        created = START + (hour + chance.random()) * HOUR
        if not FIRST_HOUR <= hour < FIRST_HOUR + hours:
            continue
        pipeline = making.add(SLUG, created=created)
        for number in range(WORKFLOWS):
            length = min(max(chance.lognormvariate(math.log(MEDIAN), 0.5), 2 * MINUTE), 60 * MINUTE)
            ends = [*sorted(chance.uniform(5, length) for _ in range(JOBS - 1)), length]
            jobs = [
                {
                    "name": f"job-{place}",
                    "status": "success",
                    "started": created + (ends[place - 1] if place else 3.0),
                    "stopped": created + end,
                    "dependencies": [f"job-{place - 1}"] if place else [],
                }
                for place, end in enumerate(ends)
            ]
            making.add_workflow(
                pipeline.id,
                f"w{number}",
                "success",
                created=created,
                stopped=created + length,
                jobs=jobs,
                shown=created + DAY,
                credits=1,
            )
            stops.append(created + length)
    return stops


class Repository:
    """The one project, its synthetic CircleCI, and all that polls it, on a clock that moves while all of them wait."""

    def __init__(self, rate: float, failing: float, workflows: int, collectors: str, *, quiet: bool) -> None:
        """`rate` is in requests a second, `failing` the share of failures; when it is `quiet`, nothing ever ran."""
        self.clockwork = Clockwork(patience=HOUR)
        begin = START + FIRST_HOUR * HOUR
        offset = begin - self.clockwork.now
        clock = Clock(begin, 0)
        self.clockwork.moved = lambda now: clock.advance(now + offset - clock.now())
        self.organization = Organization((_project(workflows),), clock=clock, quiet=quiet, refresh=1)
        self.delays: list[float] = []
        telemetry, self.log = Telling(self.delays), configure("error", "logfmt")
        clocks = Clocks(lambda: self.clockwork.now + offset, self.clockwork.clock, self.clockwork)
        self.wall = clocks.wall
        limiter = Limiter(
            rate,
            max(1, int(rate)),
            CONCURRENCY,
            stop=Event(),
            clock=self.clockwork.clock,
            wall=clocks.wall,
            waiter=self.clockwork,
        )
        self.client = Far(self.organization, limiter, self.clockwork, failing)
        config = parse(f"defaults: {{collectors: [{collectors}], pipelines: {{interval: 1m}}}}\nprojects: [{SLUG}]")
        self.attempts = Attempts(
            cast("Client", self.client), clocks, telemetry, self.log, Threads(CONCURRENCY, self.clockwork)
        )
        self.store, self.failures = SnapshotStore(), FailureLog(self.log)
        self.state = StateStore.open(None, "bench", telemetry, self.log, wall=clocks.wall)
        self.store.publish(map(Snapshot, config.projects), clocks.wall())


def _project(workflows: int) -> DemoProject:
    owner = Owner("gh", "acme", "acme", "0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10")
    steps = tuple(DemoJob(f"job-{number}", 0.5) for number in range(JOBS))
    made = tuple(DemoWorkflow(f"w{number}", steps, 4, MEDIAN, steady=True) for number in range(workflows))
    return DemoProject(owner, "all", "all", "7d2f6b84-1c3e-4a55-8f90-000000000001", workflows=made)


def live(rate: float, failing: float, hours: int) -> str:
    """Live through the day, or so many hours of it; returns a row of the table."""
    repository = Repository(rate, failing, WORKFLOWS, "pipelines", quiet=True)
    stops = fill(repository.organization, hours)
    wall, client, delays = repository.wall, repository.client, repository.delays
    until, latest = wall() + hours * HOUR, 0.0
    with closing(repository.state) as state:
        pace = Pace(Coverage(), Inbox(state, wall), wall, repository.attempts.ahead)
        kind = pipelines.kind(repository.attempts, repository.store, state, repository.failures, pace)

        def polls() -> None:
            nonlocal latest
            while wall() < until:
                poll = kind.begin(SLUG)
                while poll is not None and poll.step() and wall() < until:
                    latest = max(latest, pace.late())
                snapshot = repository.store.get(SLUG)
                if snapshot is not None:
                    repository.clockwork.sleep(kind.interval(snapshot))

        began = time.process_time()
        repository.clockwork.run(polls)
        cpu = time.process_time() - began
    ended = sum(stop < until - 10 * MINUTE for stop in stops)
    hourly = sum(client.calls.values()) / hours
    return (
        f"| {rate:g} | {failing:.0%} | {hourly:.0f} | {median(delays):.0f} s | {quantiles(delays, n=20)[-1]:.0f} s | "
        f"{max(delays):.0f} s | {len(delays)} of {ended} and more | {latest:.0f} s | {cpu:.0f} s |"
    )


def first_poll(rate: float, workflows: int = 100) -> float:
    """The seconds that a first poll of Insights takes, with all workflows and their jobs."""
    repository = Repository(rate, 0.0, workflows, "workflows, jobs", quiet=False)
    with closing(repository.state) as state:
        kind = project.kind(repository.attempts, repository.store, state, repository.failures)
        began = repository.wall()

        def polls() -> None:
            poll = kind.begin(SLUG)
            while poll is not None and poll.step():
                pass

        repository.clockwork.run(polls)
    asked = repository.client.calls.total()
    if asked <= workflows:
        sys.exit(f"asked {asked} times for {workflows} workflows")
    return repository.wall() - began


def main() -> None:
    """Print the table; a number on the command line is how many hours of the day are lived through."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    print("| requests a second | failures | calls an hour | p50 | p95 | latest | runs counted | looks late | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for rate, failing in ((20.0, 0.0), (20.0, 0.03), (5.0, 0.0), (5.0, 0.03)):
        print(live(rate, failing, hours), flush=True)
    print(f"first poll of 100 workflows at 20 requests a second: {first_poll(20.0):.1f} s")


if __name__ == "__main__":
    main()
