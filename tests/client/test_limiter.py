from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from exporter.client import Limiter, LimiterState, Waiter
from exporter.client.headers import Quota
from exporter.errors import (
    ConnectionFailed,
    DeadlineError,
    RequestTimeout,
    ServerError,
    Stopped,
    ThrottledError,
)
from tests.running.clockwork import Clockwork
from tests.running.waiting import PATIENCE, wait_until

FOREVER = 1e9


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


class Timed:
    """A limiter on a clockwork, and what it says of throttled seconds."""

    def __init__(self, clockwork: Clockwork, stop: threading.Event, rate: float, burst: int, concurrency: int) -> None:
        self.clockwork, self.start, self.throttled = clockwork, clockwork.now, 0.0
        self.log: list[tuple[str, float]] = []
        self.limiter = Limiter(
            rate,
            burst,
            concurrency,
            stop=stop,
            throttled=self.count,
            clock=clockwork.clock,
            wall=lambda: clockwork.now + 1e9,
            random=lambda: 1.0,
            waiter=clockwork,
        )

    def count(self, seconds: float) -> None:
        self.throttled += seconds

    @property
    def elapsed(self) -> float:
        return self.clockwork.now - self.start

    def ask(self, slug: str, times: int = 1, seconds: float = 0.0, after: float = 0.0) -> None:
        if after:
            self.clockwork.sleep(after)
        for _ in range(times):
            with self.limiter.slot(slug, FOREVER):
                self.log.append((slug, round(self.elapsed, 6)))
                if seconds:
                    self.clockwork.sleep(seconds)


def test_requests_beyond_the_burst_keep_the_rate(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=2, burst=3, concurrency=4)
    clockwork.run(lambda: timed.ask("a", times=7))
    assert [moment for _, moment in timed.log] == [0, 0, 0, 0.5, 1, 1.5, 2]
    assert timed.throttled == 0


def test_with_many_waiting_a_hundred_a_second_is_held_within_two_per_cent(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=100, burst=1, concurrency=64)
    clockwork.run(*[lambda slug=str(number): timed.ask(slug, times=25, seconds=0.01) for number in range(40)])
    assert len(timed.log) == 1000
    assert timed.elapsed == pytest.approx(10, rel=0.02)


def test_the_burst_and_a_hundred_a_second_are_all_on_the_real_clock_too(stop: threading.Event) -> None:
    moments: list[float] = []
    began = time.monotonic()
    limiter, until = Limiter(100, 20, 50, stop=stop), began + 1.5

    def work(slug: str) -> None:
        while time.monotonic() < until or len(moments) < 40:
            with limiter.slot(slug, FOREVER):
                moments.append(time.monotonic())

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) <= 20 + 1 + 100 * (max(moments) - began)


def test_the_first_to_come_is_the_first_to_be_served(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=1, concurrency=4)

    def late(number: int) -> None:
        clockwork.sleep(number / 1000)
        timed.ask(f"p{number}")

    clockwork.run(*[lambda number=number: late(number) for number in range(20)])
    assert [slug for slug, _ in timed.log] == [f"p{number}" for number in range(20)]


def test_requests_of_one_project_go_side_by_side_in_all_places_where_nobody_else_asks(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=1000, burst=100, concurrency=3)
    clockwork.run(*[lambda: timed.ask("a", seconds=10)] * 4)
    assert timed.log == [("a", 0), ("a", 0), ("a", 0), ("a", 10)]


def test_a_project_whose_answers_hang_leaves_a_place_to_those_that_asked_lately(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=1000, burst=100, concurrency=3)

    def other() -> None:
        timed.ask("b")
        clockwork.sleep(2)
        timed.ask("b")

    def hanging() -> None:
        clockwork.sleep(1)
        timed.ask("a", seconds=100)

    clockwork.run(other, *[hanging] * 3)
    assert timed.log == [("b", 0), ("a", 1), ("a", 1), ("b", 2), ("a", 101)]


def test_projects_take_turns_however_many_requests_each_has_waiting(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=1, burst=1, concurrency=10)

    def late(slug: str, after: float) -> None:
        clockwork.sleep(after)
        timed.ask(slug)

    large = [lambda number=number: late("large", number / 1000) for number in range(4)]
    clockwork.run(*large, lambda: late("b", 0.1), lambda: late("c", 1.1))
    assert [slug for slug, _ in timed.log] == ["large", "large", "b", "large", "c", "large"]


def test_a_request_that_goes_ahead_has_its_turn_before_all_that_wait_and_by_the_same_rate(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=1, burst=1, concurrency=4)

    def hint(number: int, after: float) -> None:
        clockwork.sleep(after)
        with timed.limiter.slot(f"hint{number}", FOREVER, ahead=True):
            timed.log.append((f"hint{number}", round(timed.elapsed, 6)))

    def poll(number: int) -> None:
        clockwork.sleep(number / 1000)
        timed.ask(f"p{number}")

    clockwork.run(*[lambda n=n: poll(n) for n in range(5)], lambda: hint(1, 1.5), lambda: hint(2, 1.6))
    assert timed.log == [("p0", 0), ("p1", 1), ("hint1", 2), ("hint2", 3), ("p2", 4), ("p3", 5), ("p4", 6)]


def test_no_more_than_the_concurrency_are_under_way(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=1000, burst=1000, concurrency=3)
    clockwork.run(*[lambda slug=str(number): timed.ask(slug, seconds=1) for number in range(9)])
    assert Counter(moment for _, moment in timed.log) == {0: 3, 1: 3, 2: 3}


def test_a_refusal_pauses_everybody_and_is_counted_in_seconds(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)

    def refused() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.refused(60)
            assert timed.limiter.state().paused_until == timed.start + 60 + 1e9

    def other() -> None:
        clockwork.sleep(1)
        timed.ask("b", times=3)

    clockwork.run(refused, other)
    assert [moment for _, moment in timed.log] == [60, 60.2, 60.4]
    assert timed.throttled == pytest.approx(60)
    assert timed.limiter.state() == LimiterState(
        rate=5, configured_rate=10, burst=10, concurrency=4, in_flight=0, waiting=0, paused_until=None
    )


def test_sixteen_refusals_in_flight_are_one_pause(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=64, burst=16, concurrency=16)

    def refused(slug: str) -> None:
        with timed.limiter.slot(slug, FOREVER) as slot:
            clockwork.sleep(1)
            slot.refused(5)

    clockwork.run(*[lambda slug=str(number): refused(slug) for number in range(16)])
    assert timed.limiter.state().rate == 32


def test_successes_let_the_rate_grow_back(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=1, concurrency=1)

    def work() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.refused(1)
        clockwork.sleep(61)
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.succeeded()

    clockwork.run(work)
    assert timed.limiter.state().rate == pytest.approx(6)


def test_blocks_of_two_projects_pause_everybody(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    for slug, paused in (("a", False), ("a", False), ("b", True)):
        with timed.limiter.slot(slug, FOREVER) as slot:
            slot.blocked(None)
        assert (timed.limiter.state().paused_until is not None) is paused


def test_a_quota_that_runs_low_slows_down_and_the_wait_is_counted(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)

    def work() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.quota([Quota(0, 300, 20)])
        timed.ask("a")

    clockwork.run(work)
    assert timed.log == [("a", 20)]
    assert timed.throttled == 20


def test_a_quota_that_is_well_again_wakes_who_waits(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)

    def first() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.quota([Quota(0, 300, 50)])
            clockwork.sleep(2)
            slot.quota([Quota(300, 300, 50)])

    clockwork.run(first, lambda: timed.ask("b", after=1))
    assert timed.log == [("b", 2)]


def test_a_wait_ends_at_its_deadline_and_lets_the_others_through(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=0.1, burst=1, concurrency=4)
    timed.ask("a")

    def impatient() -> None:
        with pytest.raises(DeadlineError), timed.limiter.slot("b", timed.start + 4):
            pass
        assert timed.elapsed == 4

    clockwork.run(impatient, lambda: timed.ask("c", after=1))
    assert timed.log == [("a", 0), ("c", 10)]


def test_a_patient_wait_for_ones_turn_does_not_count_against_the_deadline(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=0.01, burst=1, concurrency=4)
    left: list[float] = []

    def patient(slug: str) -> None:
        with timed.limiter.slot(slug, timed.start + 4, patient=True) as slot:
            left.append(slot.deadline - clockwork.now)

    clockwork.run(*[lambda slug=str(number): patient(slug) for number in range(6)])
    assert timed.elapsed == 500
    assert left == [4.0] * 6


def test_a_pause_of_the_api_counts_against_the_deadline_of_a_patient_wait_too(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with timed.limiter.slot("a", FOREVER) as slot:
        slot.refused(60)

    def patient() -> float:
        with timed.limiter.slot("b", timed.start + 70, patient=True) as slot:
            return slot.deadline - timed.start

    assert clockwork.run(patient) == [70]
    assert timed.elapsed == 60
    with pytest.raises(ThrottledError), timed.limiter.slot("c", timed.start, refused=True, patient=True):
        pass


def test_a_deadline_that_is_over_is_never_granted(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with pytest.raises(DeadlineError), timed.limiter.slot("a", timed.start):
        pass
    with pytest.raises(ThrottledError), timed.limiter.slot("a", timed.start, refused=True):
        pass
    assert timed.limiter.state().waiting == 0


def test_a_pause_beyond_the_deadline_is_not_waited_for(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with timed.limiter.slot("a", FOREVER) as slot:
        slot.refused(600)
    with pytest.raises(ThrottledError), timed.limiter.slot("b", timed.start + 300):
        pass
    assert timed.elapsed == 0


def test_a_low_quota_for_which_nobody_waits_counts_as_no_throttling(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with timed.limiter.slot("a", FOREVER) as slot:
        slot.quota([Quota(0, 300, 20)])
    clockwork.now += 20
    timed.ask("a")
    assert timed.throttled == 0


@pytest.mark.parametrize(("deadline", "error"), [(599.9, ThrottledError), (600.0, ThrottledError), (600.1, None)])
def test_a_pause_is_waited_for_when_it_ends_before_the_deadline(
    clockwork: Clockwork, stop: threading.Event, deadline: float, error: type[Exception] | None
) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with timed.limiter.slot("a", FOREVER) as slot:
        slot.refused(600)

    def ask() -> None:
        with timed.limiter.slot("b", timed.start + deadline):
            timed.log.append(("b", timed.elapsed))

    if error is None:
        clockwork.run(ask)
    else:
        with pytest.raises(error):
            clockwork.run(ask)
    assert timed.log == ([("b", 600.0)] if error is None else [])
    assert timed.elapsed == (600.0 if error is None else 0.0)


def test_a_pause_that_begins_during_a_wait_ends_it_when_it_lasts_beyond_the_deadline(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=0.1, burst=1, concurrency=4)

    def refused() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            clockwork.sleep(2)
            slot.refused(600)

    def waiting() -> None:
        clockwork.sleep(1)
        with pytest.raises(ThrottledError), timed.limiter.slot("b", timed.start + 300):
            pass
        assert timed.elapsed < 15  # the next moment at which it would have had its turn, and looked again

    clockwork.run(refused, waiting)


def test_a_deadline_that_passed_in_an_earlier_pause_is_no_refusal(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)
    with timed.limiter.slot("a", FOREVER) as slot:
        slot.refused(10)
    clockwork.now += 10
    with pytest.raises(DeadlineError), timed.limiter.slot("b", timed.start + 5):
        pass


def test_a_quota_that_asks_for_less_than_the_rate_counts_as_no_throttling(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=0.1, burst=1, concurrency=4)

    def work() -> None:
        with timed.limiter.slot("a", FOREVER) as slot:
            slot.quota([Quota(30, 300, 30)])  # one a second, where the rate allows one in ten
        timed.ask("a")

    clockwork.run(work)
    assert timed.log == [("a", 10)]
    assert timed.throttled == 0


def test_new_limits_wake_who_waits_for_the_old_ones(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=0.01, burst=1, concurrency=1)
    timed.ask("a")

    def change() -> None:
        clockwork.sleep(2)
        timed.limiter.reconfigure(1, 5, 2)

    clockwork.run(lambda: timed.ask("b", times=2), change)
    assert [moment for _, moment in timed.log] == [0, 2, 2]
    assert timed.limiter.state().configured_rate == 1


def test_fewer_slots_are_reached_as_requests_end(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=1000, burst=1000, concurrency=3)

    def change() -> None:
        clockwork.sleep(0.5)
        timed.limiter.reconfigure(1000, 1000, 1)

    clockwork.run(*[lambda slug=str(number): timed.ask(slug, seconds=1) for number in range(5)], change)
    assert sorted(moment for _, moment in timed.log) == [0, 0, 0, 1, 2]


def test_every_wait_ends_at_once_when_the_process_stops(stop: threading.Event) -> None:
    class Patient(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  as it is called
            return super().wait(600)  # until it is woken: it does not look by itself

    class Woken(Waiter):
        def condition(self, lock: threading.Lock) -> Patient:
            return Patient(lock)

    limiter = Limiter(0.01, 1, 4, stop=stop, waiter=Woken())
    ended: list[str] = []

    def wait_for_slot(slug: str) -> None:
        with pytest.raises(Stopped), limiter.slot(slug, FOREVER):
            pass
        ended.append(slug)

    def wait_for_retry() -> None:
        with pytest.raises(Stopped):
            limiter.rest(600)
        ended.append("retry")

    with limiter.slot("first", FOREVER):
        threads = [threading.Thread(target=wait_for_slot, args=(str(number),)) for number in range(20)]
        threads.append(threading.Thread(target=wait_for_retry))
        for thread in threads:
            thread.start()
        wait_until(lambda: limiter.state().waiting == 20, why="all to wait")
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(ended) == 21
    with pytest.raises(Stopped), limiter.slot("late", FOREVER):
        pass


def test_a_rest_ends_by_itself(stop: threading.Event) -> None:
    began = time.monotonic()
    Limiter(1, 1, 1, stop=stop).rest(0.05)
    assert time.monotonic() - began >= 0.05


def test_only_the_next_in_line_is_woken(stop: threading.Event) -> None:
    waits: list[float] = []

    class Counted(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return super().wait(timeout)

    class Counting(Waiter):
        def condition(self, lock: threading.Lock) -> Counted:
            return Counted(lock)

    limiter = Limiter(50, 1, 100, stop=stop, waiter=Counting())

    def work(slug: str) -> None:
        with limiter.slot(slug, FOREVER):
            pass

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) <= 30 * 4


def test_a_slot_is_given_back_when_the_request_fails(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=1)
    with pytest.raises(ZeroDivisionError), timed.limiter.slot("a", FOREVER):
        raise ZeroDivisionError
    timed.ask("a")
    assert timed.limiter.state().in_flight == 0


def test_a_pause_that_the_last_leader_was_asked_for_is_kept_by_the_wall_clock(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=2, burst=3, concurrency=4)
    timed.limiter.begin_empty(clockwork.now + 1e9 + 7.0)
    clockwork.run(lambda: timed.ask("a", times=3))
    assert timed.log == [("a", 7.0), ("a", 7.5), ("a", 8.0)]


def test_without_a_pause_one_request_goes_and_then_the_rate_holds(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=2, burst=3, concurrency=4)
    timed.limiter.begin_empty(None)
    clockwork.run(lambda: timed.ask("a", times=3))
    assert timed.log == [("a", 0.0), ("a", 0.5), ("a", 1.0)]


def test_while_contact_is_doubted_only_the_light_question_goes(clockwork: Clockwork, stop: threading.Event) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)

    def look() -> None:
        assert timed.limiter.doubt(ConnectionFailed("gone"), timed.elapsed)
        clockwork.sleep(5)
        with timed.limiter.slot("", FOREVER, ahead=True, light=True):
            timed.log.append(("light", timed.elapsed))
            clockwork.sleep(2)
        timed.limiter.found(None)

    clockwork.run(look, lambda: timed.ask("a", after=1), lambda: timed.ask("b", after=2))
    assert timed.log == [("light", 5.0), ("a", 7.0), ("b", 7.0)]
    assert timed.limiter.lost is None


def test_all_that_wait_meet_the_failure_when_contact_is_lost_and_so_does_whoever_comes(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=0.01, burst=1, concurrency=1)
    met: list[tuple[str, float, str, bool]] = []

    def ask(slug: str, after: float) -> None:
        clockwork.sleep(after)
        with pytest.raises(RequestTimeout) as caught, timed.limiter.slot(slug, FOREVER):
            pass
        met.append((slug, timed.elapsed, str(caught.value), caught.value.held))

    def look() -> None:
        timed.limiter.doubt(ConnectionFailed("gone"), timed.elapsed)
        clockwork.sleep(9)
        timed.limiter.found(RequestTimeout("GET /me: 10 s"))

    clockwork.run(look, lambda: ask("a", 1), lambda: ask("a", 2), lambda: ask("b", 3), lambda: ask("c", 20))
    assert sorted(met) == [
        ("a", 9.0, "GET /me: 10 s", True),
        ("a", 9.0, "GET /me: 10 s", True),
        ("b", 9.0, "GET /me: 10 s", True),
        ("c", 20.0, "GET /me: 10 s", True),
    ]
    timed.limiter.found(None)
    clockwork.run(lambda: timed.ask("a"))
    assert timed.log == [("a", 20.0)], "no turn was used up by what was not asked"


def test_a_patient_wait_for_the_light_question_does_not_count_against_the_deadline(
    clockwork: Clockwork, stop: threading.Event
) -> None:
    timed = Timed(clockwork, stop, rate=10, burst=10, concurrency=4)

    def look() -> None:
        timed.limiter.doubt(ServerError("500"), timed.elapsed)
        clockwork.sleep(50)
        timed.limiter.found(None, known=False)

    def ask() -> None:
        clockwork.sleep(1)
        with timed.limiter.slot("a", clockwork.now + 10, patient=True) as slot:
            assert slot.deadline - clockwork.now == pytest.approx(10)

    clockwork.run(look, ask)
    assert timed.elapsed == 50


def test_a_steady_limiter_goes_on_as_before_whatever_answers_say(clockwork: Clockwork, stop: threading.Event) -> None:
    limiter = Limiter(10, 5, 2, stop=stop, clock=clockwork.clock, waiter=clockwork, steady=True)
    with limiter.slot("gh/acme", FOREVER) as slot:
        slot.refused(60)
        slot.quota([Quota(0, 300, 60)])
        slot.blocked(60)
    assert (limiter.state().rate, limiter.state().paused_until) == (10, None)
