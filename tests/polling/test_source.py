from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import CapturingLogger

from exporter.client import Client, Limiter
from exporter.config import Config, TokenSource, parse
from exporter.errors import ServerError
from exporter.formats.deflate import inflate
from exporter.insights.family import Family
from exporter.polling.agenda import Job
from exporter.polling.attempt import SYSTEM_CLOCKS, Attempts
from exporter.polling.source import Examined, Parts, Shown, Source
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILY = Family("", "circleci_things", "Things.", labels=("thing",))


class Things(Source[str]):
    """Wants the projects of the configuration, and counts how often each is read."""

    title, is_failing, has_recovered = "things", "things are failing", "things recovered"
    is_cut = "limit exceeded, things dropped"
    collector, fields, threads, remedies = "things", ("field",), 2, {}
    families = (FAMILY,)
    dropped = 0

    def __init__(self, config: Config, parts: Parts) -> None:
        super().__init__(config, parts)
        self.read: list[str] = []

    @classmethod
    def examine(cls, config: Config, parts: Parts) -> list[Examined]:  # noqa: ARG003  nothing can be tried
        return []

    def wanted(self) -> list[str]:
        return [project.slug for project in self.config.projects]

    def job(self, key: str) -> Job:
        source = self

        class Reading:
            def step(self) -> bool:
                source.read.append(key)
                return False

        return Job(key, self.collector, lambda: 3600.0, lambda _missing: Reading())

    def named(self, key: str) -> dict[str, str]:
        return {"thing": key}

    def lines(self) -> Shown:
        samples = "".join(f'circleci_things{{thing="{key}"}} 1\n' for key in self.jobs)
        return [(FAMILY, samples.encode())], {"gh/acme": self.dropped}

    def names(self) -> list[str]:
        lines = inflate(self.shown.text.deflated).decode().splitlines()
        return [line.split('"')[1] for line in lines if not line.startswith("#")]


def config(*names: str) -> Config:
    return parse(f"projects: [{', '.join(f'gh/acme/{name}' for name in names)}]\nrunners: {{namespaces: [acme]}}")


@pytest.fixture
def things() -> Iterator[Things]:
    stop, telemetry = threading.Event(), Telemetry("1", ())
    log: Any = CapturingLogger()
    tokens = partial(TokenSource, environ={"CIRCLECI_TOKEN": "t"})
    client = Client(config().circleci, tokens, Limiter(1, 1, 1, stop=stop), telemetry, stop, "1")
    attempts, state = Attempts(client, SYSTEM_CLOCKS, telemetry, log), StateStore.open(None, "a", telemetry, log)
    things = Things(config(), Parts(attempts, SnapshotStore(), state, stop))
    yield things
    stop.set()
    things.stop()
    state.close()


def told(things: Things) -> list[tuple[str, dict[str, object]]]:
    log: Any = things.attempts.log
    return [(call.args[0], call.kwargs) for call in log.calls]


def test_nothing_runs_while_nothing_is_wanted(things: Things) -> None:
    before = {*threading.enumerate()}
    things.start()
    things.prepare(config())()
    assert {*threading.enumerate()} <= before
    assert things.attempts.telemetry.registry.get_sample_value(
        "circleci_exporter_collector_failures_total", {"collector": "things", "reason": "server"}
    ) is None  # fmt: skip


def test_settings_that_are_only_prepared_change_nothing(things: Things) -> None:
    things.prepare(config("a"))()
    adopt = things.prepare(config("b"))
    assert (things.names(), [*things.jobs]) == (["gh/acme/a"], ["gh/acme/a"])
    adopt()
    assert (things.names(), [*things.jobs]) == (["gh/acme/b"], ["gh/acme/b"])
    assert things.config == config("b")


def test_after_a_change_only_what_is_new_is_read_at_once(things: Things) -> None:
    things.prepare(config("a"))()
    wait_until(lambda: things.read == ["gh/acme/a"])
    things.prepare(config("a", "b"))()
    wait_until(lambda: things.read == ["gh/acme/a", "gh/acme/b"])
    things.prepare(config("b"))()
    things.prepare(config("a", "b"))()
    wait_until(lambda: things.read == ["gh/acme/a", "gh/acme/b", "gh/acme/a"])


def test_of_failures_in_a_row_all_are_counted_and_the_first_is_logged_and_their_end(things: Things) -> None:
    things.prepare(config("a"))()
    for _ in range(2):
        things.failed("gh/acme/a", ServerError("HTTP 500"))
    things.failed("gh/acme/gone", ServerError("HTTP 500"))
    for _ in range(2):
        things.recovered("gh/acme/a")
    thing = {"thing": "gh/acme/a"}
    assert told(things) == [
        ("things are failing", {**thing, "reason": "server", "error": "HTTP 500"}),
        ("things recovered", thing),
    ]
    labels = {"collector": "things", "reason": "server"}
    value = things.attempts.telemetry.registry.get_sample_value
    assert value("circleci_exporter_collector_failures_total", labels) == 3


def test_a_failure_after_it_was_not_wanted_for_a_while_is_logged_anew(things: Things) -> None:
    for names in (("a",), (), ("a",)):
        things.prepare(config(*names))()
        things.failed("gh/acme/a", ServerError("HTTP 500"))
    assert [event for event, _ in told(things)] == ["things are failing"] * 2


def test_samples_without_room_are_told_when_they_begin(things: Things) -> None:
    for dropped in (0, 3, 4, 0, 1):
        things.dropped = dropped
        things.publish()
    assert told(things) == [
        ("limit exceeded, things dropped", {"reason": "max_series", "count": count, "organization": "gh/acme"})
        for count in (3, 1)
    ]
