from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.polling.reachability import Reachability
from tests.processes import Process, process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.polling.agenda import Job


@pytest.fixture
def running() -> Iterator[Process]:
    with process() as found:
        yield found


@pytest.fixture
def job(running: Process) -> Job:
    return Reachability(running.engine.attempts).job()


def look(job: Job) -> None:
    poll = job.begin(False)
    while poll is not None and poll.step():
        pass


def test_while_circleci_answers_nothing_is_asked(running: Process, job: Job) -> None:
    for up in (None, 1):
        if up is not None:
            running.engine.telemetry.api_up(bool(up))
        for _ in range(3):
            look(job)
    assert running.asked() == []
    assert job.interval() == 60


def test_after_a_request_without_an_answer_a_light_one_is_made_a_minute_later(running: Process, job: Job) -> None:
    running.engine.telemetry.api_up(up=False)
    look(job)
    assert running.asked() == []
    look(job)
    assert running.asked() == ["/me"]
    assert running.value("circleci_exporter_up") == 1
    look(job)
    assert running.asked() == []


def test_as_long_as_there_is_no_answer_it_asks_at_gaps_up_to_five_minutes(running: Process, job: Job) -> None:
    running.engine.telemetry.api_up(up=False)
    running.circle.accept("another")
    gaps = []
    for _ in range(5):
        look(job)
        gaps.append(job.interval())
    assert gaps == [60, 120, 240, 300, 300]
    assert running.value("circleci_exporter_api_requests_total", endpoint="/me", code="401") == 4
    assert running.value("circleci_exporter_up") == 0
    running.circle.accept(running.circle.token)
    look(job)
    assert running.value("circleci_exporter_up") == 1
    look(job)
    assert job.interval() == 60


def test_its_failures_are_no_collectors(running: Process, job: Job) -> None:
    running.engine.telemetry.api_up(up=False)
    running.circle.accept("another")
    for _ in range(3):
        look(job)
    assert not any(running.samples("circleci_exporter_collector_failures_total").values())
