"""The counts of runners against a runner API on loopback: what comes, what goes, and what never freezes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from exporter.client import Client, Limiter
from exporter.config import TokenSource, parse
from exporter.demo.messages import Reply
from exporter.formats import deflate
from exporter.polling.attempt import SYSTEM_CLOCKS, Attempts, Clocks
from exporter.polling.source import Parts
from exporter.publishing.store import SnapshotStore
from exporter.runners import RunnerCounts
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from tests.circleci import Circle
from tests.circleci.runners import GONE, RESOURCE, RUNNERS, RUNNING, TASKS, asking, runner
from tests.running.waiting import wait_until
from tests.usage.making import NOON
from tests.usage.reading import CircleTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.config import Config

A, B = "acme/a", "acme/b"
HTML = Reply(200, b"<html>Log in</html>", (("Content-Type", "text/html"),))


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0, quiet=True) as running:
        yield running


def settings(circle: Circle, runners: str, circleci: str = "timeout: 60s", every: str = "1s") -> Config:
    # The port of circleci.url is closed: nothing here may go there.
    return parse(
        f"circleci: {{url: 'http://127.0.0.1:9', {circleci}}}\n"
        f"runners: {{url: '{circle.url}', interval: {every}, {runners}}}"
    )


class Shown:
    """What one process shows of runners. A test asks and lets time pass, unless it starts it."""

    def __init__(self, circle: Circle, config: Config, token: str = "", clocks: Clocks | None = None) -> None:
        self.telemetry, self.stop, self.time = Telemetry("1", ()), threading.Event(), CircleTime(circle)
        clocks = clocks or Clocks(self.time.wall, self.time.monotonic, self.time)
        tokens = partial(TokenSource, environ={"CIRCLECI_TOKEN": token or circle.token})
        limiter = Limiter(1, 1, 1, stop=self.stop)
        client = Client(config.circleci, tokens, limiter, self.telemetry, self.stop, "1", clock=clocks.monotonic)
        log = structlog.get_logger()
        attempts = Attempts(client, clocks, self.telemetry, log)
        self.state = StateStore.open(None, "a server", self.telemetry, log)
        self.counts = RunnerCounts(config, Parts(attempts, SnapshotStore(), self.state, self.stop))

    def sweep(self, times: int = 1) -> dict[tuple[str, ...], float]:
        """Ask all that is asked at an interval, and let an interval of a second pass; what is shown then."""
        for _ in range(times):
            with self.counts.lock:
                self.counts.settle()
            for question in list(self.counts.jobs):
                self.counts.ask(question)
            self.time.skip(1)
            self.counts.expire()
        return self.samples()

    def samples(self) -> dict[tuple[str, ...], float]:
        text = deflate.inflate(self.counts.shown.text.deflated).decode()
        return {
            (sample.name.removeprefix("circleci_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def failures(self) -> dict[str, float]:
        value = self.telemetry.registry.get_sample_value
        name = "circleci_exporter_collector_failures_total"
        reasons = ("server", "not_found", "timeout", "payload", "connection", "unauthorized", "redirect", "forbidden")
        found = {reason: value(name, {"collector": "runners", "reason": reason}) for reason in reasons}
        return {reason: count for reason, count in found.items() if count}

    def until(self, expected: dict[tuple[str, ...], float]) -> None:
        wait_until(lambda: self.samples() == expected, why=f"{expected}, not {self.samples()}")


@contextmanager
def asking_by_hand(circle: Circle, config: Config, token: str = "") -> Iterator[Shown]:
    shown = Shown(circle, config, token)
    shown.telemetry.fails_as(RunnerCounts.collector, RunnerCounts.fields)
    yield shown
    shown.stop.set()


@contextmanager
def running(circle: Circle, config: Config) -> Iterator[Shown]:
    """On the schedule and the threads that it has in the program."""
    shown = Shown(circle, config, clocks=SYSTEM_CLOCKS)
    try:
        shown.counts.start()
        yield shown
    finally:
        shown.stop.set()
        circle.heal()
        shown.counts.stop()


def listed(resource_class: str, version: str, connected: float, lost: float) -> dict[tuple[str, ...], float]:
    return {
        ("runners", resource_class, "connected", version): connected,
        ("runners", resource_class, "lost", version): lost,
    }


def none_of(resource_class: str) -> dict[tuple[str, ...], float]:
    return listed(resource_class, "", 0, 0)


def both(resource_class: str, unclaimed: float = 0.0, busy: float = 0.0) -> dict[tuple[str, ...], float]:
    return {
        ("runner_unclaimed_tasks", resource_class): unclaimed,
        ("runner_running_tasks", resource_class): busy,
    }


def test_a_listed_class_is_shown_with_its_counts_and_runners(circle: Circle) -> None:
    lost = (runner(A, "3.0.9", GONE), runner(A, "3.0.9", None))
    circle.runners.resource_class(A, 3, 5, (runner(A), *lost))
    with running(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 3, 5), **listed(A, "3.1.5", 1, 0), **listed(A, "3.0.9", 0, 2)})
        assert shown.failures() == {}
        assert shown.telemetry.registry.get_sample_value("circleci_exporter_up") is None
        assert shown.telemetry.recent.by_code() == {}
        shown.telemetry.poll_late(77)
        wait_until(lambda: len(circle.asked(asking(TASKS, A))) >= 3, why="it to be asked again and again")
        assert shown.telemetry.registry.get_sample_value("circleci_exporter_poll_delay_seconds") == 77, "of projects"


def test_the_token_is_sent_as_circle_token_however_projects_are_asked(circle: Circle) -> None:
    circle.runners.resource_class(A, 1)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]", "auth: basic")) as shown:
        assert shown.sweep() == {**both(A, 1), **none_of(A)}
    for each in circle.requests:
        assert each.token_ok
        assert {"circle-token", "authorization"} & set(each.header_names) == {"circle-token"}


def test_classes_of_a_namespace_come_and_go_with_its_list(circle: Circle) -> None:
    circle.runners.namespace("acme", (A,), (runner(B),))
    for each in (A, B):
        circle.runners.resource_class(each, 1, 2)
    with asking_by_hand(circle, settings(circle, f"namespaces: [acme], resource_classes: [{A}]")) as shown:
        assert shown.sweep() == {**both(A, 1, 2), **none_of(A)}
        circle.runners.namespace("acme", (A, B), (runner(B),))
        assert shown.sweep(2) == {**both(A, 1, 2), **none_of(A), **both(B, 1, 2), **listed(B, "3.1.5", 1, 0)}
        circle.runners.namespace("acme", ())
        assert shown.sweep() == {**both(A, 1, 2), **none_of(A)}, "sooner than it could become stale"
        circle.forget_requests()
        assert shown.sweep() == {**both(A, 1, 2), **none_of(A)}
        assert circle.asked(asking(TASKS, B)) == circle.asked(asking(RUNNING, B)) == []
        assert circle.asked(asking(RUNNERS, A)) == [], "the namespace's list tells of it"


def test_a_class_listed_twice_is_asked_once_an_interval(circle: Circle) -> None:
    circle.runners.namespace("acme", (A,))
    circle.runners.resource_class(A)
    with asking_by_hand(circle, settings(circle, f"namespaces: [acme, acme], resource_classes: [{A}, {A}]")) as shown:
        shown.sweep(3)
    for each in ((TASKS, A), (RUNNING, A), (RUNNERS, "acme"), (RESOURCE, "acme")):
        assert len(circle.asked(asking(*each))) == 3


@pytest.mark.parametrize("status", [404, 410])
def test_a_failing_count_goes_after_three_intervals_and_takes_nothing_with_it(circle: Circle, status: int) -> None:
    for each in (A, B):
        circle.runners.resource_class(each, 7, 8)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}, {B}]")) as shown:
        rest = {("runner_running_tasks", A): 8.0, **none_of(A), **both(B, 7, 8), **none_of(B)}
        whole = {**rest, ("runner_unclaimed_tasks", A): 7}
        assert shown.sweep() == whole
        circle.fail("status", asking(TASKS, A), code=status, body='{"message": "no"}')
        assert [shown.sweep() for _ in range(3)] == [whole, rest, rest]
        assert shown.failures() == {"not_found": 3}
        circle.heal()
        circle.runners.resource_class(A, 0, 8)
        assert shown.sweep() == {**rest, ("runner_unclaimed_tasks", A): 0}


def test_a_429_makes_all_of_the_runner_api_wait_and_no_count_outlives_it(circle: Circle) -> None:
    circle.runners.resource_class(A, 7, 8)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        shown.sweep()
        circle.fail("throttle", asking(TASKS, A), times=3, retry_after=2)
        found = [("runner_unclaimed_tasks", A) in shown.sweep() for _ in range(4)]
        assert found == [False, False, False, True]
        assert shown.failures() == {}


def test_a_count_goes_while_its_question_hangs_and_nothing_else_waits_for_it(circle: Circle) -> None:
    for each in (A, B):
        circle.runners.resource_class(each, 7, 8)
    with running(circle, settings(circle, f"resource_classes: [{A}, {B}]", "timeout: 10m")) as shown:
        shown.until({**both(A, 7, 8), **none_of(A), **both(B, 7, 8), **none_of(B)})
        for path in (TASKS, RUNNING, RUNNERS):
            circle.fail("hold", asking(path, A))
        shown.until({**both(B, 7, 8), **none_of(B)})
        assert shown.failures() == {}, "no answer yet"
        circle.runners.resource_class(B, 9, 10)
        shown.until({**both(B, 9, 10), **none_of(B)})


def test_a_request_that_hangs_ends_at_its_timeout_and_is_asked_again(circle: Circle) -> None:
    circle.runners.resource_class(A, 1)
    circle.fail("hang", asking(TASKS, A), times=1)
    with running(circle, settings(circle, f"resource_classes: [{A}]", "timeout: 1s")) as shown:
        wait_until(lambda: shown.failures().get("timeout"), why="the timeout")
        shown.until({**both(A, 1), **none_of(A)})


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (HTML, "payload"),
        (Reply(200, b'{"unclaimed_task_count":'), "payload"),
        (Reply(200, b"[]"), "payload"),
        (Reply(302, b"", (("Location", "http://127.0.0.1:9/"),)), "redirect"),
        (Reply(403, b"<html>", (("Content-Type", "text/html"),)), "forbidden"),
        (Reply(503, b"<html>", (("Content-Type", "text/html"),)), "server"),
    ],
)
def test_an_answer_that_is_none_is_counted_once_a_poll_and_never_retried(
    circle: Circle, reply: Reply, reason: str
) -> None:
    circle.runners.resource_class(A)
    circle.next_answers(asking(TASKS, A), *[reply] * 9)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        assert ("runner_unclaimed_tasks", A) not in shown.sweep(2)
        assert shown.failures() == {reason: 2}
        assert len(circle.asked(asking(TASKS, A))) == 2


def test_a_refused_token_shows_nothing_and_says_so(circle: Circle) -> None:
    circle.runners.resource_class(A)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]"), "another") as shown:
        assert shown.sweep() == {}
        assert shown.failures().keys() == {"unauthorized"}


def test_a_new_token_in_its_file_is_used_after_the_old_one_is_refused(circle: Circle, tmp_path: Path) -> None:
    circle.runners.resource_class(A, 1)
    (tmp_path / "token").write_text("an-old-one")
    text = f"token_file: '{tmp_path / 'token'}'"
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]", text)) as shown:
        shown.sweep()
        assert shown.failures().keys() == {"unauthorized"}
        (tmp_path / "token").write_text(circle.token)
        assert shown.sweep(2) == {**both(A, 1), **none_of(A)}


def test_more_series_than_a_namespace_may_have_are_dropped(circle: Circle) -> None:
    circle.runners.resource_class(A, 1, 2, tuple(runner(A, f"3.{number}") for number in range(10)))
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]}}\ndefaults: {{max_series: 5")) as shown:
        expected = {**both(A, 1, 2), **listed(A, "3.0", 1, 0), ("runners", A, "connected", "3.1"): 1}
        assert [shown.sweep() for _ in range(3)] == [expected] * 3


def test_null_takes_a_number_away_at_once(circle: Circle) -> None:
    circle.runners.resource_class(A, 4)
    with asking_by_hand(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        assert shown.sweep() == {**both(A, 4), **none_of(A)}
        circle.runners.set(TASKS, A, {"unclaimed_task_count": None})
        assert shown.sweep() == {("runner_running_tasks", A): 0.0, **none_of(A)}, "sooner than it could become stale"
        assert shown.failures() == {}


def test_a_reload_asks_what_is_new_and_shows_no_more_what_is_gone(circle: Circle) -> None:
    for each in (A, B):
        circle.runners.resource_class(each, 1)
    with running(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        with shown.counts.lock:  # before an answer is shown
            shown.counts.prepare(settings(circle, f"resource_classes: [{B}]"))()
            assert shown.samples() == {}
        shown.until({**both(B, 1), **none_of(B)})
        shown.counts.prepare(parse("projects: [gh/acme/web]"))()
        assert shown.samples() == {}
        asked = len(circle.requests)
        shown.counts.prepare(settings(circle, f"resource_classes: [{A}]"))()
        shown.until({**both(A, 1), **none_of(A)})
        assert not [each for each in circle.requests[asked + 3 :] if each.query.endswith("%2Fb")], "but those under way"


def test_another_interval_keeps_what_is_shown_and_holds_from_then_on(circle: Circle) -> None:
    circle.runners.resource_class(A, 1)
    with running(circle, settings(circle, f"resource_classes: [{A}]", every="1h")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        with shown.counts.lock:  # before it can be too old for a shorter interval
            shown.counts.prepare(settings(circle, f"resource_classes: [{A}]"))()
            assert shown.samples() == {**both(A, 1), **none_of(A)}
        wait_until(lambda: len(circle.asked(asking(TASKS, A))) >= 4, why="it to be asked again and again")


def test_another_address_shows_nothing_of_the_one_before(circle: Circle) -> None:
    circle.runners.resource_class(A, 1)
    with Circle() as other, running(circle, settings(circle, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        other.runners.resource_class(A, 2)
        other.fail("hold", asking(TASKS, A))
        shown.counts.prepare(settings(other, f"resource_classes: [{A}]"))()
        assert ("runner_unclaimed_tasks", A) not in shown.samples()
        shown.until({("runner_running_tasks", A): 0.0, **none_of(A)})
        other.heal()


def test_nothing_runs_where_neither_namespace_nor_class_is_configured(circle: Circle) -> None:
    before = set(threading.enumerate())
    shown = Shown(circle, parse("projects: [gh/acme/web]"), clocks=SYSTEM_CLOCKS)
    shown.counts.start()
    shown.counts.prepare(parse("projects: [gh/acme/api]"))()
    shown.counts.stop()
    assert before.issuperset(threading.enumerate())
    assert shown.counts.shown.text.size == 0
    labels = {"collector": "runners", "reason": "server"}
    assert shown.telemetry.registry.get_sample_value("circleci_exporter_collector_failures_total", labels) is None
    assert circle.requests == []
