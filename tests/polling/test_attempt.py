from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.errors import (
    InternalError,
    NotFoundError,
    PayloadError,
    PollError,
    ServerError,
    StateError,
    Stopped,
    UnauthorizedError,
)
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Outcome
from exporter.polling.attempt import Attempts, Clocks
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.client import Client
    from exporter.polling.attempt import Attempt
    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
QUESTION = Question("workflows", "/project/{slug}", "gh/acme/web")


class Answering:
    """A client with two pages for everything; it notes until when they may take."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    def pages(self, _question: Question, *, deadline: float, **_: object) -> Iterator[object]:
        self.deadlines.append(deadline)
        yield from ({"page": 1}, {"page": 2})


class Process:
    """What polls ask with, on clocks that a test moves."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOON, 100.0
        self.client, self.log = Answering(), CapturingLogger()
        self.telemetry = Telemetry("1", ("workflows", "jobs"))
        clocks = Clocks(lambda: self.wall, lambda: self.monotonic)
        self.attempts = Attempts(cast("Client", self.client), clocks, self.telemetry, cast("Logger", self.log))

    def failures(self, collector: str = "workflows") -> dict[str, float]:
        return {
            sample.labels["reason"]: sample.value
            for family in self.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == "circleci_exporter_collector_failures_total"
            and sample.labels["collector"] == collector
            and sample.value
        }


@pytest.fixture
def process() -> Process:
    return Process()


def test_a_question_has_five_minutes_also_when_the_time_of_the_poll_is_over(process: Process) -> None:
    attempt, hourly = process.attempts.begin("workflows", 60.0), process.attempts.begin("workflows", 3600.0)
    attempt.document(QUESTION)
    process.monotonic = 350.0
    attempt.document(QUESTION)
    process.monotonic = 399.9
    attempt.fail(ServerError("500"))
    assert not attempt.over()
    process.monotonic = 400.0
    attempt.fail(ServerError("500"))
    assert attempt.over()
    process.monotonic = 1000.0
    hourly.document(QUESTION)
    assert process.client.deadlines == [400.0, 650.0, 3700.0]


def test_pages_are_asked_for_until_the_deadline_of_the_poll(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    assert process.client.deadlines == []
    assert list(attempt.pages(QUESTION)) == [{"page": 1}, {"page": 2}]
    process.monotonic = 3600.0
    assert attempt.document(QUESTION) == {"page": 1}
    assert process.client.deadlines == [3700.0, 3900.0]


def outcome_of(attempt: Attempt, before: Outcome | None = None) -> Outcome:
    outcome = attempt.outcome(before)
    assert outcome is not None
    return outcome


def test_an_attempt_with_an_answer_and_without_a_failure_is_a_success(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    attempt.document(QUESTION)
    process.monotonic += 7
    outcome = outcome_of(attempt)
    assert (outcome.success, outcome.duration, outcome.finished_at, outcome.last_success) == (True, 7, NOON, NOON)
    assert (outcome.error, outcome.reason) == ("", "")
    assert not attempt.over()


def test_an_attempt_that_got_no_answer_neither_renews_a_success_nor_ends_a_failure(process: Process) -> None:
    good, bad = (Outcome(success, 1.0, NOON - 900, NOON - 900) for success in (True, False))
    befores: tuple[dict[str, Outcome], ...] = ({"workflows": good}, {"workflows": bad}, {})
    for before in befores:
        attempt = process.attempts.begin("workflows", 3600)
        assert attempt.outcomes(before) == before
        attempt.document(QUESTION)
        assert attempt.outcomes(before)["workflows"].success


def test_the_first_failure_is_the_outcome_and_every_one_is_counted(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    for error in (NotFoundError("no such thing"), PayloadError("odd"), PayloadError("odd")):
        attempt.fail(error)
    assert process.failures() == {"not_found": 1, "payload": 2}
    outcome = outcome_of(attempt, Outcome(success=True, duration=1, finished_at=NOON, last_success=NOON - 60))
    assert (outcome.success, outcome.reason, outcome.error) == (False, "not_found", "no such thing")
    assert outcome.last_success == NOON - 60
    assert outcome_of(attempt).last_success is None
    assert not attempt.over()


@pytest.mark.parametrize("error", [UnauthorizedError("401"), StateError("the disk is full")])
def test_a_failure_that_every_question_would_meet_ends_the_poll(process: Process, error: PollError) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    attempt.fail(error)
    assert attempt.over()
    assert attempt.gave_up is error


def test_once_the_time_is_over_any_failure_ends_the_poll(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 600)
    process.monotonic += 599.9
    attempt.fail(ServerError("500"))
    assert not attempt.over()
    process.monotonic += 0.1
    attempt.fail(ServerError("500"))
    assert attempt.over()


def test_a_failure_that_is_only_counted_fails_nothing(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    attempt.count(NotFoundError("404"))
    attempt.document(QUESTION)
    assert process.failures() == {"not_found": 1}
    assert outcome_of(attempt).success
    attempt.count(UnauthorizedError("401"))
    assert attempt.over(), "asking on is of no use all the same"
    assert outcome_of(attempt).reason == "unauthorized", "and so is what was not asked"


def test_the_next_collector_of_a_poll_has_the_same_time_and_has_given_up_too(process: Process) -> None:
    first = process.attempts.begin("workflows", 3600)
    first.fail(NotFoundError("404"))
    process.monotonic += 10
    second = first.beside("jobs")
    second.document(QUESTION)
    assert outcome_of(second).success, "a failure is that of its collector"
    assert outcome_of(second).duration == 0
    assert process.client.deadlines == [3700.0]
    second.fail(UnauthorizedError("401"))
    third = second.beside("workflows")
    assert third.over()
    assert outcome_of(third).reason == "unauthorized"
    assert process.failures("jobs") == {"unauthorized": 1}


def test_a_guard_holds_a_failure_and_a_defect_and_lets_a_stop_through(process: Process) -> None:
    attempt = process.attempts.begin("workflows", 3600)
    with attempt.guard("one thing") as held:
        pass
    assert held.error is None
    assert isinstance(held_by(attempt, NotFoundError("404")), NotFoundError)
    assert isinstance(held_by(attempt, ZeroDivisionError()), InternalError)
    with pytest.raises(Stopped):
        held_by(attempt, Stopped())
    assert process.failures() == {"not_found": 1, "internal": 1}
    ((method, event, fields),) = [(call.method_name, call.args[0], call.kwargs) for call in process.log.calls]
    assert (method, event) == ("exception", "unexpected error in one request")
    assert fields == {"collector": "workflows", "request": "one thing"}


def held_by(attempt: Attempt, error: Exception) -> PollError | None:
    def fail() -> None:
        raise error

    with attempt.guard("one thing") as held:
        fail()
    return held.error
