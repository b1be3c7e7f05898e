from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.errors import Stopped
from exporter.polling.agenda import Job
from exporter.polling.attempt import Clocks
from exporter.polling.schedule import MAX_THREADS, Schedule, first_poll, pool_size
from exporter.telemetry import Telemetry
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.system.logs import Logger


@pytest.mark.parametrize(("total", "last"), [(1, 0.0), (20, 0.95), (100, 4.95), (5000, 9.998)])
def test_first_polls_begin_at_once_and_are_spread_over_at_most_ten_seconds(total: int, last: float) -> None:
    times = [first_poll(index, total, 1000.0) for index in range(total)]
    assert times[0] == 1000.0
    assert times == sorted(times)
    assert times[-1] == pytest.approx(1000.0 + last)


@pytest.mark.parametrize(
    ("concurrency", "rate", "size"), [(4, 5.0, 32), (1, 0.01, 1), (4, 0.1, 6), (64, 1000.0, MAX_THREADS), (64, 0.1, 64)]
)
def test_so_many_polls_go_on_at_once_that_slow_ones_leave_room_and_each_has_its_turn(
    concurrency: int, rate: float, size: int
) -> None:
    assert pool_size(concurrency, rate) == size


@dataclass
class Work:
    """A job whose polls have so many steps; `begun` tells for each whether it was for what is missing alone."""

    name: str = "gh/acme/web"
    steps: int = 1
    every: float | None = 0.02
    fails: BaseException | None = None
    gate: threading.Event | None = None
    begun: list[bool] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: int = 0

    def job(self) -> Job:
        return Job(self.name, "workflows", lambda: self.every, self.begin)

    def begin(self, missing_only: bool) -> Work | None:
        self.begun.append(missing_only)
        self.left = self.steps
        return self

    def step(self) -> bool:
        if self.gate is not None:
            self.gate.wait(PATIENCE)
        self.done.append(self.name)
        if self.fails is not None:
            raise self.fails
        self.left -= 1
        return self.left > 0


@dataclass
class Scheduled:
    schedule: Schedule
    telemetry: Telemetry
    log: CapturingLogger
    looks: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.schedule.start(lambda: self.looks.append(time.monotonic()))


@pytest.fixture
def scheduled() -> Iterator[Scheduled]:
    telemetry, log = Telemetry("1", ("workflows",)), CapturingLogger()
    running = Scheduled(Schedule(telemetry, cast("Logger", log), size=4, chance=lambda: 0.5), telemetry, log)
    yield running
    running.schedule.stop()
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "schedule"])


def again(work: Work, count: int) -> Callable[[], bool]:
    return lambda: len(work.done) >= count


def test_a_job_is_polled_again_and_again(scheduled: Scheduled) -> None:
    work = Work()
    began = time.time()
    scheduled.schedule.add(work.job(), began)
    scheduled.start()
    wait_until(again(work, 5))
    assert set(work.begun) == {False}
    assert began < scheduled.schedule.due["gh/acme/web"] < time.time() + 2


def test_a_job_is_not_polled_before_it_is_due(scheduled: Scheduled) -> None:
    late, early = Work("late"), Work("early")
    scheduled.schedule.add(late.job(), time.time() + 60)
    scheduled.schedule.add(early.job(), time.time() + 0.2)
    began = time.monotonic()
    scheduled.start()
    wait_until(again(early, 1))
    assert time.monotonic() - began >= 0.15
    assert late.begun == []


def test_a_job_that_is_known_already_is_moved(scheduled: Scheduled) -> None:
    work = Work(every=60)
    scheduled.schedule.add(work.job(), time.time() + 60)
    scheduled.start()
    scheduled.schedule.add(work.job(), time.time())
    wait_until(again(work, 1))
    assert len(work.begun) == 1


def test_what_comes_after_a_step_queues_behind_every_job_that_is_due(scheduled: Scheduled) -> None:
    order: list[str] = []
    gate = threading.Event()
    works = [Work(str(number), steps=2, every=60, gate=gate, done=order) for number in range(12)]
    for work in works:
        scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(lambda: len(scheduled.schedule._agenda.running()) == len(works), why="all of them to be queued")
    gate.set()
    wait_until(lambda: len(order) == 24)
    second = min(place for place, name in enumerate(order) if name in order[:place])
    assert second >= 12 - 4, "every first step is begun before any second one, by as many threads as there are"


def test_a_job_does_not_run_twice_at_the_same_time(scheduled: Scheduled) -> None:
    gate = threading.Event()
    work = Work(gate=gate, every=60)
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(lambda: work.begun)
    scheduled.schedule.add(work.job(), time.time())
    scheduled.schedule.missing(work.job())
    other = Work("other")
    scheduled.schedule.add(other.job(), time.time())
    wait_until(again(other, 3))
    assert work.begun == [False]
    gate.set()
    wait_until(lambda: work.begun == [False, True], why="what is missing to be asked after the poll under way")
    wait_until(again(work, 2))


def test_a_wall_clock_that_is_set_back_delays_no_poll() -> None:
    back = [0.0]
    clocks = Clocks(lambda: time.time() - back[0])
    schedule = Schedule(Telemetry("1", ("workflows",)), cast("Logger", CapturingLogger()), size=2, clocks=clocks)
    work = Work(every=0.2)
    schedule.add(work.job(), clocks.wall() + 0.2)
    back[0] = 3600.0
    schedule.start(lambda: None)
    wait_until(again(work, 3))
    assert schedule.due[work.name] == pytest.approx(clocks.wall(), abs=2)
    schedule.stop()


def test_held_polls_end_once_and_go_on_when_they_are_released_as_late_as_they_are() -> None:
    ahead, lost = [0.0], [True]
    telemetry = Telemetry("1", ("workflows",))
    schedule = Schedule(
        telemetry,
        cast("Logger", CapturingLogger()),
        size=4,
        clocks=Clocks(lambda: time.time() + ahead[0], lambda: time.monotonic() + ahead[0]),
        held=lambda: lost[0],
    )
    looks: list[float] = []
    works = [Work(name, every=60) for name in ("a", "b")]
    for work in works:
        schedule.add(work.job(), time.time())
    schedule.start(lambda: looks.append(telemetry._delay._value.get()))
    wait_until(lambda: all(len(work.done) == 1 for work in works))
    ahead[0] = 1000.0
    count = len(looks)
    wait_until(lambda: len(looks) > count + 1)
    assert 1000 <= looks[-1] < 1000 + PATIENCE
    assert [work.begun for work in works] == [[False], [False]]
    lost[0] = False
    schedule.release()
    wait_until(lambda: all(len(work.done) >= 2 for work in works))
    assert telemetry._delay._value.get() >= 1000
    schedule.stop()


def test_what_is_missing_is_asked_at_once_and_the_job_keeps_its_time(scheduled: Scheduled) -> None:
    work, due = Work(), time.time() + 60
    scheduled.schedule.add(work.job(), due)
    scheduled.start()
    scheduled.schedule.missing(work.job())
    wait_until(again(work, 1))
    assert work.begun == [True]
    wait_until(lambda: scheduled.schedule.due == {work.name: pytest.approx(due, abs=0.01)})


def test_a_removed_job_is_polled_no_longer(scheduled: Scheduled) -> None:
    work, other = Work(), Work("other")
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(again(work, 1))
    scheduled.schedule.remove(work.name)
    scheduled.schedule.remove("one that never was")
    count = len(work.begun)
    scheduled.schedule.add(other.job(), time.time())
    wait_until(again(other, 5))
    assert len(work.begun) <= count + 1, "one may have been under way"
    assert list(scheduled.schedule.due) == ["other"]


def test_a_job_that_is_removed_while_it_runs_does_not_come_back(scheduled: Scheduled) -> None:
    gate = threading.Event()
    work, other = Work(gate=gate, steps=2), Work("other")
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(lambda: work.begun)
    scheduled.schedule.missing(work.job())
    scheduled.schedule.remove(work.name)
    gate.set()
    wait_until(again(work, 2))
    scheduled.schedule.add(other.job(), time.time())
    wait_until(again(other, 5))
    assert work.begun == [False]


def test_a_job_without_an_interval_ends(scheduled: Scheduled) -> None:
    work = Work(every=None)
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(again(work, 1))
    wait_until(lambda: not scheduled.schedule.due)
    assert len(work.begun) == 1


def test_a_defect_ends_one_poll_is_counted_and_logged_and_the_job_goes_on(scheduled: Scheduled) -> None:
    work = Work(fails=ZeroDivisionError("a defect"))
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(again(work, 3))
    counted = scheduled.telemetry.registry.get_sample_value(
        "circleci_exporter_collector_failures_total", {"collector": "workflows", "reason": "internal"}
    )
    assert counted is not None
    assert counted >= 2
    assert [call.method_name for call in scheduled.log.calls][:2] == ["exception", "exception"]


def test_a_stop_in_the_middle_of_a_poll_is_no_failure(scheduled: Scheduled) -> None:
    work, other = Work(fails=Stopped()), Work("other")
    scheduled.schedule.add(work.job(), time.time())
    scheduled.start()
    wait_until(again(work, 1))
    scheduled.schedule.add(other.job(), time.time())
    wait_until(again(other, 3))
    assert len(work.begun) == 1
    assert scheduled.log.calls == []


def test_how_late_a_poll_began_is_told(scheduled: Scheduled) -> None:
    work = Work(every=60)
    scheduled.schedule.add(work.job(), time.time() - 30)
    scheduled.start()
    wait_until(again(work, 1))
    late = scheduled.telemetry.registry.get_sample_value("circleci_exporter_poll_delay_seconds")
    assert late == pytest.approx(30, abs=5)


def test_a_job_that_had_nothing_to_do_tells_nothing_of_delays(scheduled: Scheduled) -> None:
    work = Work(every=60)
    idle = Job("idle", "workflows", lambda: 60.0, lambda _missing_only: None)
    scheduled.schedule.add(work.job(), time.time() - 30)
    scheduled.schedule.add(idle, time.time())
    scheduled.start()
    wait_until(again(work, 1))
    wait_until(lambda: scheduled.schedule.due["idle"] > time.time() + 30, why="the other one to have been looked at")
    late = scheduled.telemetry.registry.get_sample_value("circleci_exporter_poll_delay_seconds")
    assert late == pytest.approx(30, abs=5)


def test_every_second_there_is_a_look_at_what_is_too_old_even_while_all_threads_are_busy(scheduled: Scheduled) -> None:
    gate = threading.Event()
    for number in range(8):
        scheduled.schedule.add(Work(str(number), gate=gate).job(), time.time())
    scheduled.start()
    wait_until(lambda: len(scheduled.looks) >= 2)
    gate.set()


def test_a_schedule_that_never_started_can_be_stopped() -> None:
    Schedule(Telemetry("1", ()), cast("Logger", CapturingLogger()), size=2).stop()


def test_nothing_begins_after_the_stop() -> None:
    schedule = Schedule(Telemetry("1", ("workflows",)), cast("Logger", CapturingLogger()), size=2)
    work = Work(every=0.001)
    schedule.add(work.job(), time.time())
    schedule.start(lambda: None)
    wait_until(again(work, 3))
    schedule.stop()
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "schedule"])
    count = len(work.begun)
    schedule.remove(work.name)
    schedule.add(work.job(), time.time())
    assert len(work.begun) <= count + 1
