"""Questions side by side, by the order of events: what waits holds up nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import Waiter
from exporter.errors import Stopped
from exporter.polling.side_by_side import OWN_SHARE, SideBySide, Task, Threads, asked
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


class Drawn(Waiter):
    """Answers come in the order that a test draws: each wait lets one question end."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw
        self.sent: list[Callable[[], object]] = []

    def threads(self, most: int) -> Executor:  # noqa: ARG002  none is started
        return self  # type: ignore[return-value]

    def submit(self, ask: Callable[..., object], *given: object) -> None:
        self.sent.append(partial(ask, *given))

    def condition(self, lock: threading.Lock) -> Drawn:
        self.lock = lock
        return self

    def wait(self, timeout: float) -> None:  # noqa: ARG002  an answer comes at once
        work = self.sent.pop(self.draw(len(self.sent)))
        self.lock.release()
        work()
        self.lock.acquire()

    def notify(self) -> None:
        """Only one thread waits."""


@pytest.fixture
def threads() -> Threads:
    return Threads()


def ended(side: SideBySide) -> None:
    while side.busy:
        assert side.advance(PATIENCE)


def test_a_question_that_hangs_holds_up_no_other_task(threads: Threads) -> None:
    side, released, log = SideBySide(threads), threading.Event(), list[str]()

    def task(name: str, question: Callable[[], object]) -> Task:
        yield from asked(question)
        log.append(name)

    side.add(task("hangs", lambda: released.wait(PATIENCE)))
    for name in "abc":
        side.add(task(name, lambda: None))
    for _ in "abc":
        assert side.advance(PATIENCE)
    assert sorted(log) == ["a", "b", "c"]
    released.set()
    ended(side)
    assert log[-1] == "hangs"


def test_a_task_goes_on_in_the_thread_that_advances_it_with_what_was_answered_or_raised(threads: Threads) -> None:
    side, log = SideBySide(threads), list[object]()

    def fails() -> object:
        raise ValueError("no")

    def task() -> Task:
        asker = yield from asked(threading.get_ident)
        log.append(asker != threading.get_ident())
        try:
            yield from asked(fails)
        except ValueError as error:
            log.append(str(error))
        log.append(threading.get_ident())

    side.add(task())
    ended(side)
    assert log == [True, "no", threading.get_ident()]


@given(st.data(), st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_every_task_is_answered_once_in_whatever_order_answers_come(data: st.DataObject, lengths: list[int]) -> None:
    side, found = SideBySide(Threads(2, Drawn(lambda most: data.draw(st.integers(0, most - 1))))), Counter[int]()

    def task(number: int, length: int) -> Task:
        for step in range(length):
            assert (yield from asked(partial(tuple[int, ...], (number, step)))) == (number, step)
        found[number] += 1

    for number, length in enumerate(lengths):
        side.add(task(number, length))
    ended(side)
    assert found == Counter(range(len(lengths)))


def test_what_waits_goes_by_rank_and_then_by_what_is_due_for_longest() -> None:
    drawn = Drawn(lambda _: 0)
    side, log = SideBySide(Threads(1, drawn)), list[tuple[int, float]]()

    def task(turn: tuple[int, float]) -> Task:
        yield from asked(lambda: log.append(turn), turn)

    turns = [(2, 0.0), (1, 7.0), (3, 1.0), (1, 5.0), (0, 9.0), (1, -3.0)]
    for turn in turns:
        side.add(task(turn))
    ended(side)
    assert log == sorted(turns)


def test_a_poll_has_a_thread_of_its_own_when_others_hold_all_that_are_shared() -> None:
    threads, released = Threads(0), threading.Event()
    first, second = SideBySide(threads), SideBySide(threads)
    threads.concurrency = 1

    def hangs() -> Task:
        yield from asked(lambda: released.wait(PATIENCE))

    def answers(log: list[str]) -> Task:
        yield from asked(lambda: log.append("answered"))

    for _ in range(3 * OWN_SHARE):
        first.add(hangs())
    assert not first.advance(0.0)
    while threads.take():
        pass
    log: list[str] = []
    second.add(answers(log))
    ended(second)
    assert log == ["answered"]
    released.set()
    ended(first)


def test_a_stop_ends_the_wait_for_answers(threads: Threads) -> None:
    side = SideBySide(threads)

    def stopped() -> object:
        raise Stopped

    def task() -> Task:
        yield from asked(stopped)

    side.add(task())
    with pytest.raises(Stopped):
        side.advance(PATIENCE)


def test_whoever_has_something_else_to_do_is_woken(threads: Threads) -> None:
    side, released = SideBySide(threads), threading.Event()

    def task() -> Task:
        yield from asked(lambda: released.wait(PATIENCE))

    side.add(task())
    side.wake()
    assert not side.advance(PATIENCE)
    released.set()
    ended(side)


def test_what_waits_can_be_dropped_and_what_is_on_its_way_cannot() -> None:
    drawn = Drawn(lambda _: 0)
    side, log = SideBySide(Threads(1, drawn)), list[int]()

    def task(number: int) -> Task:
        yield from asked(lambda: log.append(number), (number, 0.0))

    tasks = [task(number) for number in range(OWN_SHARE + 2)]
    for each in tasks:
        side.add(each)
    assert side.advance(PATIENCE)
    waiting = [each for each in tasks if side.waits(each)]
    side.drop(waiting)
    ended(side)
    assert len(waiting) == 2
    assert log == [*range(OWN_SHARE)]


def test_no_more_is_sent_once_it_is_over() -> None:
    drawn = Drawn(lambda _: 0)
    side, log = SideBySide(Threads(1, drawn)), list[int]()

    def task(number: int) -> Task:
        yield from asked(lambda: log.append(number))

    assert len([*side.all([task(number) for number in range(20)], lambda: len(log) >= 2)]) == 2
    assert log == [0, 1]


def test_a_question_that_comes_after_the_end_is_not_asked_and_stops_its_poll(threads: Threads) -> None:
    side, asked_for = SideBySide(threads), list[int]()

    def task() -> Task:
        for number in range(3):
            yield from asked(partial(asked_for.append, number))

    side.add(task())
    assert side.advance(PATIENCE)
    threads.close()
    with pytest.raises(Stopped):
        side.advance(PATIENCE)
    with pytest.raises(Stopped):
        Threads.ask(threads, lambda: None, lambda _answer, _failure: None)
    assert asked_for == [0]
