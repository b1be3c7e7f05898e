from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from exporter.polling.reachability import Reachability
from tests.running.engine import Running, hourly

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Looks:
    """Looks every second on a clock that stands still between them."""

    running: Running
    reached: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        attempts, waits = self.running.engine.attempts, self.running.waits
        self.job = Reachability(attempts, lambda: self.reached.append(waits.skipped)).job()

    def look(self, seconds: int = 1) -> list[float]:
        """Look for so many seconds; returns when it asked, counted from now."""
        began, asked = self.running.waits.skipped, list[float]()
        self.running.asked()
        for _ in range(seconds):
            self.running.pass_time(self.job.interval() or 0.0)
            poll = self.job.begin(False)
            while poll is not None and poll.step():
                pass
            asked += [round(self.running.waits.skipped - began) for path in self.running.asked() if path == "/me"]
        return asked


@pytest.fixture
def running() -> Iterator[Running]:
    with hourly() as found:
        yield found


@pytest.fixture
def looks(running: Running) -> Looks:
    return Looks(running)


def test_while_circleci_answers_nothing_is_asked(running: Running, looks: Looks) -> None:
    for up in (None, 1):
        if up is not None:
            running.engine.telemetry.api_up(bool(up))
        assert looks.look(600) == []
    assert len(looks.reached) == 1200


def test_after_a_request_without_an_answer_a_light_one_is_made(running: Running, looks: Looks) -> None:
    running.engine.telemetry.api_up(up=False)
    assert looks.look(600) == [2]
    assert running.value("circleci_exporter_up") == 1


def test_as_long_as_there_is_no_answer_it_asks_at_gaps_up_to_five_minutes(running: Running, looks: Looks) -> None:
    running.circle.accept("another")
    running.poll()
    assert looks.look(1800) == [2, 4, 8, 16, 32, 64, 128, 256, 512, 812, 1112, 1412, 1712]
    assert running.value("circleci_exporter_api_requests_total", endpoint="/me", code="401") == 14
    assert running.value("circleci_exporter_up") == 0
    assert looks.reached == []
    running.circle.accept(running.circle.token)
    assert looks.look(600) == [212]
    assert running.value("circleci_exporter_up") == 1
    assert len(looks.reached) == 600 - 212
    running.circle.accept("another")
    running.poll()
    assert looks.look(10) == [2, 4, 8], "the gaps begin anew"


def test_another_token_is_asked_with_at_once(running: Running, looks: Looks) -> None:
    running.circle.accept("another")
    running.poll()
    looks.look(600)
    settings = running.engine._config.circleci
    running.environ["CIRCLECI_TOKEN"] = "yet-another"
    for changed in (settings.model_copy(update={"timeout": 19.0}), settings):
        running.engine.prepare(running.engine._config.model_copy(update={"circleci": changed}))()
        assert looks.look(60) == [1]
    running.environ["CIRCLECI_TOKEN"] = "another"
    running.engine.prepare(running.engine._config.model_copy(update={"circleci": settings.share(2)}))()
    assert looks.look(60) == [1]
    assert running.value("circleci_exporter_up") == 1


def test_its_failures_are_no_collectors(running: Running, looks: Looks) -> None:
    running.engine.telemetry.api_up(up=False)
    running.circle.accept("another")
    assert len(looks.look(10)) == 3
    assert not any(running.samples("circleci_exporter_collector_failures_total").values())
