"""The counts of runners against a runner API on loopback: what comes, what goes, and what never freezes."""

from __future__ import annotations

import threading
import time
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
from exporter.polling.attempt import SYSTEM_CLOCKS, Attempts
from exporter.polling.source import Parts
from exporter.publishing.store import SnapshotStore
from exporter.runners import RunnerCounts
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from tests.runners.fake import GONE, RESOURCE, RUNNERS, RUNNING, TASKS, TOKEN, FakeRunnerApi, runner
from tests.running.waiting import AT_ONCE, PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.config import Config

A, B = "acme/a", "acme/b"
HTML = Reply(200, b"<html>Log in</html>", (("Content-Type", "text/html"),))


@pytest.fixture
def api() -> Iterator[FakeRunnerApi]:
    with FakeRunnerApi() as running:
        yield running


def settings(api: FakeRunnerApi, runners: str, circleci: str = "timeout: 30s", every: str = "1s") -> Config:
    # The port of circleci.url is closed: nothing here may go there.
    return parse(
        f"circleci: {{url: 'http://127.0.0.1:9', {circleci}}}\n"
        f"runners: {{url: '{api.url}', interval: {every}, {runners}}}"
    )


class Shown:
    """What one process shows of runners."""

    def __init__(self, config: Config, token: str = TOKEN) -> None:
        self.telemetry, self.stop = Telemetry("1", ()), threading.Event()
        tokens = partial(TokenSource, environ={"CIRCLECI_TOKEN": token})
        limiter = Limiter(1, 1, 1, stop=self.stop)
        client = Client(config.circleci, tokens, limiter, self.telemetry, self.stop, "1")
        log = structlog.get_logger()
        attempts = Attempts(client, SYSTEM_CLOCKS, self.telemetry, log)
        self.state = StateStore.open(None, "a server", self.telemetry, log)
        self.counts = RunnerCounts(config, Parts(attempts, SnapshotStore(), self.state, self.stop))

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

    def until(self, expected: dict[tuple[str, ...], float], timeout: float = PATIENCE) -> None:
        wait_until(lambda: self.samples() == expected, timeout, why=f"{expected}, not {self.samples()}")


@contextmanager
def running(config: Config, token: str = TOKEN) -> Iterator[Shown]:
    shown = Shown(config, token)
    try:
        shown.counts.start()
        yield shown
    finally:
        shown.stop.set()
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


def test_a_listed_class_is_shown_with_its_counts_and_runners(api: FakeRunnerApi) -> None:
    lost = (runner(A, "3.0.9", GONE), runner(A, "3.0.9", None))
    api.resource_class(A, 3, 5, (runner(A), *lost))
    with running(settings(api, f"resource_classes: [{A}]")) as shown:
        shown.until(
            {
                **both(A, 3, 5),
                **listed(A, "3.1.5", 1, 0),
                **listed(A, "3.0.9", 0, 2),
            }
        )
        assert shown.failures() == {}
        assert shown.telemetry.registry.get_sample_value("circleci_exporter_up") is None
        assert shown.telemetry.recent.by_code() == {}
        shown.telemetry.poll_late(77)
        wait_until(lambda: len(api.asked(TASKS, A)) >= 3)
        assert shown.telemetry.registry.get_sample_value("circleci_exporter_poll_delay_seconds") == 77, "of projects"
    assert {request.headers["circle-token"] for request in api.requests} == {TOKEN}


def test_the_token_is_sent_as_circle_token_however_projects_are_asked(api: FakeRunnerApi) -> None:
    api.resource_class(A, 1)
    with running(settings(api, f"resource_classes: [{A}]", "auth: basic")) as shown:
        shown.until({**both(A, 1), **none_of(A)})


def test_classes_of_a_namespace_come_and_go_with_its_list(api: FakeRunnerApi) -> None:
    api.namespace("acme", (A,), (runner(B),))
    for each in (A, B):
        api.resource_class(each, 1, 2)
    with running(settings(api, f"namespaces: [acme], resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 1, 2), **none_of(A)})
        api.namespace("acme", (A, B), (runner(B),))
        shown.until({**both(A, 1, 2), **none_of(A), **both(B, 1, 2), **listed(B, "3.1.5", 1, 0)})
        seen = api.when_asked(RESOURCE, "acme", shown.samples)
        api.namespace("acme", ())
        shown.until({**both(A, 1, 2), **none_of(A)})
        wait_until(lambda: len(seen) > 3)  # a question that was under way has come
        asked = len(api.asked(subject=B))
        wait_until(lambda: len(seen) > 6)
        assert len(api.asked(subject=B)) == asked
        assert all(each == {**both(A, 1, 2), **none_of(A)} for each in seen[2:]), "sooner than it could become stale"
    assert api.asked(RUNNERS, A) == [], "the namespace's list tells of it"


def test_a_class_listed_twice_is_asked_once_an_interval(api: FakeRunnerApi) -> None:
    api.namespace("acme", (A,))
    api.resource_class(A)
    with running(settings(api, f"namespaces: [acme, acme], resource_classes: [{A}, {A}]")):
        wait_until(lambda: len(api.asked(TASKS, A)) >= 3)
    for each in ((TASKS, A), (RUNNING, A), (RUNNERS, "acme")):
        assert len(api.asked(*each)) <= len(api.asked(RESOURCE, "acme")) + 1


@pytest.mark.parametrize("status", [404, 410, 429])
def test_a_failing_count_goes_after_three_intervals_and_takes_nothing_with_it(api: FakeRunnerApi, status: int) -> None:
    for each in (A, B):
        api.resource_class(each, 7, 8)
    with running(settings(api, f"resource_classes: [{A}, {B}]")) as shown:
        rest = {("runner_running_tasks", A): 8.0, **none_of(A), **both(B, 7, 8), **none_of(B)}
        shown.until({**rest, ("runner_unclaimed_tasks", A): 7})
        seen = api.when_asked(TASKS, A, lambda: (time.monotonic(), ("runner_unclaimed_tasks", A) in shown.samples()))
        wait_until(lambda: seen)
        good, _ = seen[-1]
        api.set(TASKS, A, {"message": "no"}, status)
        wait_until(lambda: ("runner_unclaimed_tasks", A) not in shown.samples(), AT_ONCE)
        assert all(has for at, has in seen if at < good + 2.9)
        if status != 429:  # which makes the whole API wait
            shown.until(rest)
        assert shown.failures().keys() == ({"not_found"} if status != 429 else set())
        api.resource_class(A, 0, 8)
        shown.until({**rest, ("runner_unclaimed_tasks", A): 0})


def test_a_count_goes_while_its_question_hangs_and_nothing_else_waits_for_it(api: FakeRunnerApi) -> None:
    for each in (A, B):
        api.resource_class(each, 7, 8)
    with running(settings(api, f"resource_classes: [{A}, {B}]", "timeout: 60s")) as shown:
        shown.until({**both(A, 7, 8), **none_of(A), **both(B, 7, 8), **none_of(B)})
        for path in (TASKS, RUNNING, RUNNERS):
            api.hang(path, A)
        shown.until({**both(B, 7, 8), **none_of(B)}, AT_ONCE)
        assert shown.failures() == {}, "no answer yet"
        api.resource_class(B, 9, 10)
        shown.until({**both(B, 9, 10), **none_of(B)}, AT_ONCE)


def test_a_request_that_hangs_ends_at_its_timeout_and_is_asked_again(api: FakeRunnerApi) -> None:
    api.resource_class(A, 1)
    api.hang(TASKS, A)
    with running(settings(api, f"resource_classes: [{A}]", "timeout: 1s")) as shown:
        wait_until(lambda: shown.failures().get("timeout"))
        api.resource_class(A, 1)
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
    api: FakeRunnerApi, reply: Reply, reason: str
) -> None:
    api.resource_class(A)
    api.reply(TASKS, A, reply)
    with running(settings(api, f"resource_classes: [{A}]")) as shown:
        wait_until(lambda: shown.failures().get(reason, 0) >= 2)
        failures, asked = shown.failures(), len(api.asked(TASKS, A))
        assert set(failures) == {reason}
        assert 0 <= asked - failures[reason] <= 1
        assert ("runner_unclaimed_tasks", A) not in shown.samples()


def test_a_refused_token_shows_nothing_and_says_so(api: FakeRunnerApi) -> None:
    api.resource_class(A)
    with running(settings(api, f"resource_classes: [{A}]"), "another") as shown:
        wait_until(lambda: shown.failures().get("unauthorized"))
        assert shown.counts.shown.text.size == 0


def test_a_new_token_in_its_file_is_used_after_the_old_one_is_refused(api: FakeRunnerApi, tmp_path: Path) -> None:
    api.resource_class(A, 1)
    (tmp_path / "token").write_text("an-old-one")
    with running(settings(api, f"resource_classes: [{A}]", f"token_file: '{tmp_path / 'token'}'")) as shown:
        wait_until(lambda: shown.failures().get("unauthorized"))
        (tmp_path / "token").write_text(TOKEN)
        shown.until({**both(A, 1), **none_of(A)})


def test_more_series_than_a_namespace_may_have_are_dropped(api: FakeRunnerApi) -> None:
    api.resource_class(A, 1, 2, tuple(runner(A, f"3.{number}") for number in range(10)))
    with running(settings(api, f"resource_classes: [{A}]}}\ndefaults: {{max_series: 5")) as shown:
        wait_until(lambda: len(shown.samples()) == 5)
        wait_until(lambda: len(api.asked(RUNNERS, A)) >= 3)
        assert shown.samples() == {**both(A, 1, 2), **listed(A, "3.0", 1, 0), ("runners", A, "connected", "3.1"): 1}


def test_null_takes_a_number_away_at_once(api: FakeRunnerApi) -> None:
    api.resource_class(A, 4)
    with running(settings(api, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 4), **none_of(A)})
        api.set(TASKS, A, {"unclaimed_task_count": None})
        seen = api.when_asked(TASKS, A, shown.samples)
        shown.until({("runner_running_tasks", A): 0.0, **none_of(A)})
        wait_until(lambda: len(seen) > 1)
        assert seen[1] == {("runner_running_tasks", A): 0.0, **none_of(A)}, "sooner than it could become stale"
        assert shown.failures() == {}


def test_a_reload_asks_what_is_new_and_shows_no_more_what_is_gone(api: FakeRunnerApi) -> None:
    for each in (A, B):
        api.resource_class(each, 1)
    with running(settings(api, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        shown.counts.prepare(settings(api, f"resource_classes: [{B}]"))()
        assert shown.samples() == {}
        shown.until({**both(B, 1), **none_of(B)})
        shown.counts.prepare(parse("projects: [gh/acme/web]"))()
        assert shown.samples() == {}
        asked = len(api.requests)
        shown.counts.prepare(settings(api, f"resource_classes: [{A}]"))()
        shown.until({**both(A, 1), **none_of(A)})
        assert api.asked(subject=B) == [each for each in api.asked()[:asked] if each[1] == B]


def test_another_interval_keeps_what_is_shown_and_holds_from_then_on(api: FakeRunnerApi) -> None:
    api.resource_class(A, 1)
    with running(settings(api, f"resource_classes: [{A}]", every="1h")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        shown.counts.prepare(settings(api, f"resource_classes: [{A}]"))()
        assert shown.samples() == {**both(A, 1), **none_of(A)}
        wait_until(lambda: len(api.asked(TASKS, A)) >= 4)


def test_another_address_shows_nothing_of_the_one_before(api: FakeRunnerApi) -> None:
    api.resource_class(A, 1)
    with FakeRunnerApi() as other, running(settings(api, f"resource_classes: [{A}]")) as shown:
        shown.until({**both(A, 1), **none_of(A)})
        other.resource_class(A, 2)
        other.hang(TASKS, A)
        shown.counts.prepare(settings(other, f"resource_classes: [{A}]"))()
        assert ("runner_unclaimed_tasks", A) not in shown.samples()
        shown.until({("runner_running_tasks", A): 0.0, **none_of(A)})


def test_nothing_runs_where_neither_namespace_nor_class_is_configured(api: FakeRunnerApi) -> None:
    before = set(threading.enumerate())
    shown = Shown(parse("projects: [gh/acme/web]"))
    shown.counts.start()
    shown.counts.prepare(parse("projects: [gh/acme/api]"))()
    shown.counts.stop()
    assert before.issuperset(threading.enumerate())
    assert shown.counts.shown.text.size == 0
    assert (
        shown.telemetry.registry.get_sample_value(
            "circleci_exporter_collector_failures_total", {"collector": "runners", "reason": "server"}
        )
        is None
    )
    assert api.requests == []
