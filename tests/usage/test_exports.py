"""The exports of several organizations, side by side."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from exporter.client import Client, Limiter
from exporter.config import TokenSource, parse
from exporter.errors import StateError, UnauthorizedError
from exporter.formats.deflate import inflate
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.source import Parts
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from exporter.usage import UsageExports
from tests.campaigns.usage.takeovers import Gate
from tests.running.waiting import wait_until
from tests.usage.fake import TOKEN, FakeUsageApi
from tests.usage.making import job_id, row
from tests.usage.reading import Log, TestClock, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.config import Config

ACME, OTHERS = "gh/acme", ("gh/initech", "gh/hooli")
COMPUTE = 'circleci_usage_credits_total{kind="compute",organization="%s"}'


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def api(clock: TestClock) -> Iterator[FakeUsageApi]:
    with FakeUsageApi(clock.wall) as running:
        for number, slug in enumerate(OTHERS):
            running.idents.add(job_id(500 + number))
            running.collaborations += [{"id": job_id(500 + number), "slug": slug, "name": slug}]
        running.rows(row(1))
        yield running


def settings(api: FakeUsageApi, path: Path, *slugs: str, circleci: str = "") -> Config:
    return parse(
        f"circleci: {{url: '{api.url}', timeout: 20s{circleci}}}\nstate: {{path: '{path / 'state.db'}'}}\n"
        f"usage: {{organizations: [{', '.join(slugs)}]}}\nprojects: [gh/acme/web]\n"
    )


class Shown:
    """What a process has of Usage exports; the test takes the steps."""

    def __init__(self, config: Config, clock: TestClock) -> None:
        self.clock, log = clock, Log()
        anything: Any = log
        stop, telemetry = threading.Event(), Telemetry("1", ())
        clocks = Clocks(clock.wall, clock.monotonic, clock)
        limiter = Limiter(1000, 1000, 4, stop=stop, clock=clock.monotonic)
        tokens = partial(TokenSource, environ={"CIRCLECI_TOKEN": TOKEN})
        self.client = Client(config.circleci, tokens, limiter, telemetry, stop, "1", clock=clock.monotonic)
        self.state = StateStore.open(config.state.path, config.circleci.api_url, telemetry, anything, wall=clock.wall)
        attempts, self.stop = Attempts(self.client, clocks, telemetry, anything), stop
        self.exports = UsageExports(config, Parts(attempts, SnapshotStore(), self.state, stop))

    def run(self, slug: str, steps: int = 10) -> None:
        """Take some steps of an organization."""
        organization = self.exports._organizations[slug]
        for _ in range(steps):
            organization.step()
            self.clock.advance(organization.wait)

    def credits(self) -> dict[str, float]:
        """Compute credits by organization."""
        shown = values(inflate(self.exports.shown.text.deflated).decode())
        return {slug: shown[COMPUTE % slug] for slug in (ACME, *OTHERS) if COMPUTE % slug in shown}


@contextmanager
def showing(config: Config, clock: TestClock) -> Iterator[Shown]:
    shown = Shown(config, clock)
    try:
        yield shown
    finally:
        shown.stop.set()
        shown.client.close()
        shown.state.close()


def test_what_is_known_of_every_organization_is_shown_before_anything_is_asked(
    api: FakeUsageApi, clock: TestClock, tmp_path: Path
) -> None:
    config = settings(api, tmp_path, ACME, *OTHERS)
    with showing(config, clock) as before:
        before.exports.restore()
        for slug in (ACME, *OTHERS):
            before.run(slug)
    asked = len(api.requests)
    with showing(config, clock) as after:
        after.exports.restore()
        assert after.credits() == {ACME: 51, **dict.fromkeys(OTHERS, 51)}
        assert len(api.requests) == asked


def test_a_state_that_cannot_be_read_is_read_by_the_first_step(
    api: FakeUsageApi, clock: TestClock, tmp_path: Path
) -> None:
    with showing(settings(api, tmp_path, ACME), clock) as shown:
        shown.state.usage.write(ACME, {})
        shown.state._connection.execute("ALTER TABLE organization_cell RENAME TO away")
        with pytest.raises(StateError):
            shown.exports.restore()
        shown.state._connection.execute("ALTER TABLE away RENAME TO organization_cell")
        shown.run(ACME)
        assert shown.credits() == {ACME: 51}


def test_an_organization_whose_file_stops_holds_up_no_other(
    api: FakeUsageApi, clock: TestClock, tmp_path: Path
) -> None:
    gate = Gate()
    api.send = gate.send
    with showing(settings(api, tmp_path, ACME, *OTHERS), clock) as shown:
        shown.exports.restore()
        slow = threading.Thread(target=shown.run, args=(ACME,))
        slow.start()
        wait_until(gate.reached.is_set, why="the first file to stop")
        for slug in OTHERS:
            shown.run(slug)
        assert shown.credits() == dict.fromkeys(OTHERS, 51)
        gate.opened.set()
        slow.join()
        assert shown.credits() == {ACME: 51, **dict.fromkeys(OTHERS, 51)}


def test_while_two_exports_are_read_a_third_neither_waits_in_a_thread_nor_uses_up_a_look(
    api: FakeUsageApi, clock: TestClock, tmp_path: Path
) -> None:
    with showing(settings(api, tmp_path, ACME), clock) as shown:
        shown.exports.restore()
        reading = shown.exports._reading
        assert [reading.acquire(blocking=False) for _ in range(3)] == [True, True, False]
        shown.run(ACME)
        assert (len(api.asked("POST")), len(api.asked("GET"))) == (1, 0)
        assert shown.exports._organizations[ACME].wait == 1
        reading.release()
        shown.run(ACME)
        assert shown.credits() == {ACME: 51}
        assert reading.acquire(blocking=False), "it has let go"


def test_exports_are_asked_about_by_the_newest_settings_of_the_client(
    api: FakeUsageApi, clock: TestClock, tmp_path: Path
) -> None:
    with showing(settings(api, tmp_path, ACME), clock) as shown:
        circleci = settings(api, tmp_path, ACME, circleci=", auth: bearer").circleci
        shown.client.prepare(circleci)()
        with pytest.raises(UnauthorizedError):
            shown.exports._api.look(api.ident, job_id(1))
        ((_, request),) = api.requests
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
