from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.polling.agenda import Agenda, Job, Turn, next_poll

HOUR = 3600.0
TIMES = st.floats(0, 1e9)
NAMES = st.sampled_from(("a", "b", "c"))


@given(due=TIMES, took=st.floats(0, HOUR / 2), chance=st.floats(0, 1))
def test_the_next_poll_is_an_interval_after_this_one_was_due_give_or_take_a_twentieth(
    due: float, took: float, chance: float
) -> None:
    at = next_poll(due, due + took, HOUR, chance)
    assert due + 0.95 * HOUR - 1 <= at <= due + 1.05 * HOUR + 1


@given(due=TIMES, took=st.floats(2 * HOUR, 100 * HOUR), chance=st.floats(0, 1))
def test_a_poll_that_overran_its_interval_is_followed_by_the_next_at_once(
    due: float, took: float, chance: float
) -> None:
    assert next_poll(due, due + took, HOUR, chance) == due + took


def job(name: str) -> Job:
    return Job(name, "workflows", lambda: HOUR, lambda _missing_only: None)


class Nothing:
    def step(self) -> bool:
        return False


def end(agenda: Agenda, turn: Turn, now: float = 0.0, *, more: bool = False) -> Turn | None:
    return agenda.stepped(turn, now, more=more, interval=HOUR, chance=0.5)


def test_a_job_is_taken_when_it_is_due_and_waits_an_interval_after_it() -> None:
    agenda = Agenda()
    agenda.add(job("a"), 10)
    assert (agenda.take(9.9), agenda.next_at()) == ([], 10)
    (turn,) = agenda.take(10)
    assert (agenda.take(1e9), agenda.next_at()) == ([], None)
    assert end(agenda, turn, 11) is None
    assert agenda.due() == {"a": 10 + HOUR}


def test_a_poll_that_ended_while_all_are_held_stays_due_and_is_taken_again_when_they_are_released() -> None:
    agenda = Agenda()
    agenda.add(job("a"), 10)
    agenda.add(job("b"), 20)
    agenda.add(job("later"), 5000)
    (turn,) = agenda.take(10)
    assert agenda.stepped(turn, 11, more=False, interval=HOUR, chance=0.5, held=True) is None
    (turn,) = agenda.take(21)
    assert agenda.stepped(turn, 22, more=False, interval=HOUR, chance=0.5, held=True) is None
    assert agenda.take(1000) == []
    assert (agenda.late(1000), agenda.next_at()) == (990, 5000)
    assert agenda.due() == {"a": 10, "b": 20, "later": 5000}
    agenda.add(job("a"), 900)
    assert agenda.take(1000) == [], "hurrying does not help"
    assert agenda.late(1000) == 990
    assert agenda.release(4000) == []
    turns = agenda.take(4000)
    assert [(turn.job.name, turn.due) for turn in turns] == [("a", 10), ("b", 20)]
    assert agenda.release(4001) == []
    for turn in turns:
        end(agenda, turn, 4002)
    assert agenda.due() == {"a": 4000 + HOUR, "b": 4000 + HOUR, "later": 5000}, "they are done once, not twice"


def test_what_is_missing_is_asked_for_when_all_are_released() -> None:
    agenda = Agenda()
    for name in ("a", "b"):
        agenda.add(job(name), 10)
    for turn in agenda.take(10):
        agenda.stepped(turn, 11, more=False, interval=HOUR, chance=0.5, held=True)
    assert agenda.missing("a") is None
    (turn,) = agenda.release(20)
    assert (turn.job.name, turn.due) == ("a", None)
    assert end(agenda, turn, 30) is None
    assert {turn.job.name for turn in agenda.take(30)} == {"a", "b"}


def test_a_light_job_goes_on_while_all_are_held_and_is_never_late() -> None:
    agenda = Agenda()
    agenda.add(Job("light", "workflows", lambda: 1.0, lambda _missing_only: None, light=True), 10)
    (turn,) = agenda.take(10)
    agenda.stepped(turn, 11, more=False, interval=1.0, chance=0.5, held=True)
    assert agenda.due() == {"light": 11}
    assert agenda.late(1000) == 0
    assert len(agenda.take(11)) == 1


def test_a_poll_that_waits_for_a_thread_or_to_ask_is_late_until_its_first_step_has_ended() -> None:
    agenda = Agenda()
    agenda.add(job("a"), 10)
    (turn,) = agenda.take(10)
    assert agenda.late(70) == 60
    turn.poll = Nothing()
    assert agenda.late(80) == 70
    assert agenda.stepped(turn, 90, more=True, interval=HOUR, chance=0.5) is turn
    assert agenda.late(90) == 0


def test_the_longest_due_comes_first() -> None:
    agenda = Agenda()
    for name, due in (("a", 3), ("b", 1), ("c", 2)):
        agenda.add(job(name), due)
    assert [turn.job.name for turn in agenda.take(5)] == ["b", "c", "a"]


@pytest.mark.parametrize("more", [True, False])
def test_a_job_that_was_taken_out_and_put_back_during_a_step_is_polled_when_it_was_put_back(more: bool) -> None:
    agenda = Agenda()
    agenda.add(job("a"), 0)
    (turn,) = agenda.take(0)
    agenda.remove("a")
    agenda.add(job("a"), 5)
    assert agenda.take(5) == [], "the step is still under way"
    if more:
        assert end(agenda, turn, 6, more=True) is turn, "a poll under way ends by itself"
    assert end(agenda, turn, 7) is None
    (another,) = agenda.take(7)
    assert another is not turn


def test_a_job_that_was_taken_out_during_its_poll_is_gone_when_that_ends() -> None:
    agenda = Agenda()
    agenda.add(job("a"), 0)
    (turn,) = agenda.take(0)
    agenda.remove("a")
    assert end(agenda, turn, 1, more=True) is turn
    assert end(agenda, turn, 2) is None
    assert (agenda.due(), agenda.running(), agenda.take(1e9)) == ({}, set(), [])


def test_what_is_missing_is_asked_at_once_and_leaves_the_time_as_it_is() -> None:
    agenda = Agenda()
    agenda.add(job("a"), 50)
    turn = agenda.missing("a")
    assert turn is not None
    assert turn.due is None
    assert agenda.missing("a") is None, "it is asked after the one under way"
    another = end(agenda, turn, 60)
    assert another is not None
    assert another.due is None
    assert end(agenda, another, 70) is None
    assert agenda.due() == {"a": 50}


def test_nothing_is_missing_of_what_is_not_there() -> None:
    agenda = Agenda()
    assert agenda.missing("a") is None
    agenda.add(job("a"), 0)
    (turn,) = agenda.take(0)
    agenda.remove("a")
    assert agenda.missing("a") is None
    assert end(agenda, turn) is None
    assert (agenda.due(), agenda.running()) == ({}, set())


def test_moving_jobs_again_and_again_leaves_no_places_behind() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.add(job(f"a{number % 5}"), 1e6 + number)
    assert len(agenda._queue) < 100
    assert [turn.job.name for turn in agenda.take(2e6)] == [f"a{number}" for number in range(5)]


class Storm(RuleBasedStateMachine):
    """Jobs come, go and are polled in any order. At the end of each story every job that is there is polled."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda, self.now = Agenda(), 0.0
        self.there: set[str] = set()
        self.steps: list[Turn] = []

    @rule(name=NAMES, after=st.floats(0, 10))
    def add(self, name: str, after: float) -> None:
        self.agenda.add(job(name), self.now + after)
        self.there.add(name)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self.agenda.remove(name)
        self.there.discard(name)

    @rule(name=NAMES)
    def missing(self, name: str) -> None:
        self.under_way(self.agenda.missing(name))

    @rule(seconds=st.floats(0, 20))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for turn in self.agenda.take(self.now):
            self.under_way(turn)

    @precondition(lambda self: self.steps)
    @rule(place=st.integers(0, 99), more=st.booleans(), wanted=st.booleans())
    def step(self, place: int, more: bool, wanted: bool) -> None:
        turn = self.steps.pop(place % len(self.steps))
        name = turn.job.name
        interval = HOUR if wanted else None
        self.under_way(self.agenda.stepped(turn, self.now, more=more, interval=interval, chance=0.5))
        if not wanted and name not in self.agenda.due():
            self.there.discard(name)

    def under_way(self, turn: Turn | None) -> None:
        if turn is not None:
            self.steps.append(turn)

    @invariant()
    def no_job_runs_twice(self) -> None:
        names = [turn.job.name for turn in self.steps]
        assert len(set(names)) == len(names)
        assert self.agenda.running() == set(names)

    @invariant()
    def exactly_the_jobs_that_are_there_are_due(self) -> None:
        assert set(self.agenda.due()) == self.there

    def teardown(self) -> None:
        for _ in range(len(self.steps) + 3):
            for turn in list(self.steps):
                self.steps.remove(turn)
                self.under_way(self.agenda.stepped(turn, self.now, more=False, interval=HOUR, chance=0.5))
        waiting = {turn.job.name for turn in self.agenda.take(self.now + 2 * HOUR)}
        assert waiting == self.there, "each job that is there comes to its turn"


TestStorm = Storm.TestCase
