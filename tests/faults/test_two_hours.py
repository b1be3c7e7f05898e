"""Two hours in which CircleCI refuses every request for its rate: they pass at once, on a clock that jumps."""

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from exporter.client import Client, Limiter
from exporter.config import TokenSource, parse
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.failure_log import FailureLog
from exporter.polling.project import kind
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry
from tests.circleci import Circle
from tests.circleci.fleet import fleet
from tests.faults.campaign import slug_of
from tests.running.clockwork import Clockwork

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600.0
SLUGS = [slug_of(number) for number in range(4)]
BEGAN = 1_790_000_000.0


class Hours:
    """Four projects, polled every five minutes by four threads; time passes only while all of them wait."""

    def __init__(self, circle: Circle, rate: float = 5, burst: int = 10) -> None:
        self.circle, self.clockwork, self.stop = circle, Clockwork(BEGAN), threading.Event()
        projects = "".join(f"  - {slug}\n" for slug in SLUGS)
        config = parse(
            f'circleci: {{url: "{circle.url}", requests_per_second: {rate}, burst: {burst}}}\n'
            f"defaults: {{interval: 5m, jobs: {{max_age: 5m}}}}\nprojects:\n{projects}"
        )
        clock = self.clockwork.clock
        self.telemetry = Telemetry("1.2.3", ("workflows", "jobs"))
        self.limiter = Limiter(
            rate,
            burst,
            4,
            stop=self.stop,
            throttled=self.telemetry.throttled,
            clock=clock,
            wall=clock,
            waiter=self.clockwork,
        )
        self.client = Client(
            config.circleci,
            partial(TokenSource, environ={"CIRCLECI_TOKEN": circle.token}),
            self.limiter,
            self.telemetry,
            self.stop,
            "1.2.3",
            clock=clock,
            wall=clock,
        )
        self.store = SnapshotStore()
        self.store.publish(map(Snapshot, config.projects), BEGAN)
        log = configure("error", "json")
        self.state = StateStore.open(None, circle.url, self.telemetry, log)
        attempts = Attempts(self.client, Clocks(clock, clock), self.telemetry, log)
        self.kind = kind(attempts, self.store, self.state, FailureLog(log))

    def close(self) -> None:
        self.stop.set()
        self.client.close()
        self.state.close()

    def poll(self, slug: str, until: float) -> None:
        """Poll a project every five minutes until a moment."""
        while self.clockwork.now < until:
            poll = self.kind.begin(slug)
            while poll is not None and poll.step():
                pass
            self.limiter.rest(300.0)

    def pass_until(self, until: float) -> None:
        """Poll all projects, side by side."""
        self.clockwork.run(*[lambda slug=slug: self.poll(slug, until) for slug in SLUGS])

    def count(self, name: str, **labels: str) -> float:
        return self.telemetry.registry.get_sample_value(f"circleci_exporter_{name}", labels) or 0.0

    def parts(self) -> list[object]:
        return [dict(snapshot.parts) for snapshot in map(self.store.get, SLUGS) if snapshot]

    def success(self) -> list[bool]:
        snapshots = [self.store.get(slug) for slug in SLUGS]
        return [outcome.success for snapshot in snapshots if snapshot for outcome in snapshot.outcomes.values()]


@pytest.fixture
def hours() -> Iterator[Hours]:
    with Circle(projects=fleet(1, 4, 2, 2), start=BEGAN, speed=0) as circle, closing(Hours(circle)) as running:
        yield running


@pytest.mark.parametrize("retry_after", [None, 60], ids=["without Retry-After", "with Retry-After: 60"])
def test_two_hours_of_refusals_are_waited_out_politely(retry_after: int | None, hours: Hours) -> None:
    hours.pass_until(BEGAN + 300)
    assert hours.success() == [True] * 8
    good = hours.parts()

    refusals = hours.circle.fail("throttle", retry_after=retry_after)
    began = hours.clockwork.now
    hours.pass_until(began + 2 * HOUR)
    assert hours.clockwork.now >= began + 2 * HOUR

    assert 20 <= refusals.hits <= 121, "one request at the end of each pause, not one of each thread"
    assert set(hours.success()) == {False}
    reasons = {
        sample.labels["reason"]
        for family in hours.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "circleci_exporter_collector_failures_total" and sample.value
    }
    assert reasons <= {"throttled", "deadline"}
    assert HOUR < hours.count("api_throttled_seconds_total") < 2 * HOUR + 600
    assert hours.parts() == good, "nothing is lost"
    assert hours.limiter.state().rate >= 5 / 32

    hours.circle.heal()
    again = hours.clockwork.now
    hours.pass_until(again + 1800)
    assert hours.success() == [True] * 8
    state = hours.limiter.state()
    assert (state.rate, state.in_flight, state.waiting, state.paused_until) == (5, 0, 0, None)


def test_at_a_hundredth_of_a_request_a_second_every_project_has_its_turn_and_no_question_is_given_up() -> None:
    with Circle(projects=fleet(1, 4, 2, 2), start=BEGAN, speed=0) as circle:
        hours = Hours(circle, rate=0.01, burst=1)
        hours.pass_until(BEGAN + 300)
        calls = 4 * (1 + 1 + 2)
        assert hours.clockwork.now == pytest.approx(BEGAN + (calls - 1) * 100 + 300)
        assert hours.success() == [True] * 8
        for collector in ("workflows", "jobs"):
            assert hours.count("collector_failures_total", collector=collector, reason="deadline") == 0
        hours.close()
