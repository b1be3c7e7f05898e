from __future__ import annotations

import pytest

from exporter.client.headers import Quota
from exporter.client.pace import LATENESS, NEVER, Contact, Pace, full_jitter
from exporter.errors import (
    BlockedError,
    ConnectionFailed,
    DeadlineError,
    ForbiddenError,
    GarbledError,
    NotFoundError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    ServerError,
    StateError,
    ThrottledError,
    TruncatedError,
    UnauthorizedError,
)

OF_ALL = [
    BlockedError,
    ConnectionFailed,
    GarbledError,
    RedirectError,
    RequestTimeout,
    ServerError,
    TruncatedError,
    UnauthorizedError,
]


def pace(rate: float = 10.0, burst: int = 5, now: float = 0.0, random: float = 0.5) -> Pace:
    return Pace(rate, burst, now, lambda: random)


def take_all(paced: Pace, now: float) -> int:
    taken = 0
    while paced.ready <= now:
        paced.take(now, waited=False)
        taken += 1
    return taken


@pytest.mark.parametrize("burst", [1, 2, 10])
def test_the_whole_burst_goes_at_once_and_then_the_rate_holds(burst: int) -> None:
    paced = pace(rate=4, burst=burst)
    assert take_all(paced, 0.0) == burst
    assert paced.ready == pytest.approx(0.25)
    assert take_all(paced, 1.0) == min(4, burst)


@pytest.mark.parametrize("rate", [0.01, 0.2, 5, 1000])
def test_any_rate_from_a_hundredth_to_a_thousand_is_kept(rate: float) -> None:
    paced = pace(rate=rate, burst=3)
    now, taken = 0.0, 0
    while taken < 1000:
        now = max(now, paced.ready)
        paced.take(now, waited=True)
        taken += 1
    assert (1000 - 3) / now == pytest.approx(rate, rel=0.001)


def test_waking_late_costs_no_rate_but_does_not_save_up_a_burst() -> None:
    paced = pace(rate=100, burst=1)
    for number in range(1, 1001):
        paced.take(paced.ready + 0.005, waited=True)
        assert paced.ready == pytest.approx(number / 100, abs=0.011)
    late = paced.ready + 100
    paced.take(late, waited=True)
    assert paced.ready == pytest.approx(late - LATENESS + 0.01)


def test_a_request_that_did_not_wait_has_no_credit() -> None:
    paced = pace(rate=100, burst=1)
    paced.take(5.0, waited=False)
    assert paced.ready == pytest.approx(5.01)


def test_a_refusal_pauses_for_as_long_as_it_says_and_halves_the_rate() -> None:
    paced = pace(rate=10, burst=5)
    paced.refused(0, 100.0, 30.0)
    assert paced.paused_until == paced.ready == 130.0
    assert paced.rate == 5.0


def test_no_burst_gathers_during_a_pause() -> None:
    paced = pace(rate=10, burst=5)
    paced.refused(0, 100.0, 30.0)
    assert take_all(paced, 130.0) == 1
    assert paced.ready == pytest.approx(130.2)


def test_a_pause_lasts_an_hour_at_most() -> None:
    paced = pace()
    paced.refused(0, 0.0, float("inf"))
    assert paced.paused_until == 3600.0


def test_refusals_of_requests_that_began_before_the_pause_open_no_other() -> None:
    paced = pace(rate=10)
    for moment in range(16):
        paced.refused(0, float(moment), 5.0)
    assert paced.rate == 5.0
    assert paced.epoch == 1
    assert paced.paused_until == 20.0  # the latest of them counts from when it came
    paced.refused(0, 16.0, None)
    assert paced.paused_until == 20.0


def test_without_a_retry_after_pauses_grow_from_a_second_to_five_minutes() -> None:
    shortest: list[float] = []
    longest: list[float] = []
    for random, found in ((0.0, shortest), (1.0, longest)):
        paced, now = pace(random=random), 0.0
        for epoch in range(12):
            paced.refused(epoch, now, None)
            found.append(paced.paused_until - now)
            now = paced.paused_until
    assert shortest == [1.0] * 12
    assert longest == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]


def test_a_success_after_the_pause_starts_the_row_anew_and_one_from_before_does_not() -> None:
    paced = pace(random=1.0)
    paced.refused(0, 0.0, None)
    paced.refused(1, 10.0, None)
    paced.succeeded("a", 1, 11.0)
    paced.refused(2, 20.0, None)
    assert paced.paused_until == 28.0
    paced.succeeded("a", 3, 30.0)
    paced.refused(3, 40.0, None)
    assert paced.paused_until == 42.0


def test_the_rate_never_falls_below_a_small_share() -> None:
    paced = pace(rate=16)
    for epoch in range(100):
        paced.refused(epoch, 4000.0 * epoch, 1.0)
    assert paced.rate == 0.5


def test_the_rate_grows_back_by_the_same_amount_each_second_and_stops_at_the_configured_one() -> None:
    paced = pace(rate=10)
    paced.refused(0, 0.0, 10.0)
    rates = []
    for moment in (5, 10, 70, 130, 190, 250, 310, 370, 10_000):
        paced.succeeded("a", 1, float(moment))
        rates.append(paced.rate)
    assert rates == pytest.approx([5, 5, 6, 7, 8, 9, 10, 10, 10])


def test_requests_taken_before_the_rate_changed_stay_taken() -> None:
    paced = pace(rate=10, burst=5)
    assert take_all(paced, 0.0) == 5
    paced.reconfigure(20, 5, 0.0)
    assert paced.ready == pytest.approx(0.05)
    paced.reconfigure(1, 5, 0.0)
    assert paced.ready == pytest.approx(1.0)


def test_a_new_configuration_keeps_a_pause_and_what_it_has_left_of_the_rate() -> None:
    paced = pace(rate=10, burst=5)
    paced.refused(0, 0.0, 60.0)
    paced.reconfigure(100, 50, 1.0)
    assert (paced.rate, paced.ready) == (50.0, 60.0)
    paced.reconfigure(1, 50, 2.0)
    assert paced.rate == 0.5
    assert paced.ready >= 60.0


def test_a_block_of_one_project_pauses_nothing() -> None:
    paced = pace()
    for moment in range(5):
        paced.blocked("gh/a/one", 0, float(moment), None)
    assert paced.epoch == 0


def test_a_block_of_a_second_project_pauses_everything() -> None:
    paced = pace(random=1.0)
    paced.blocked("gh/a/one", 0, 0.0, None)
    paced.blocked("gh/a/two", 0, 299.0, None)
    assert paced.paused_until == 301.0
    paced.blocked("gh/a/one", 1, 302.0, 60.0)
    assert paced.paused_until == 362.0


def test_blocks_far_apart_or_with_a_success_between_them_pause_nothing() -> None:
    paced = pace()
    paced.blocked("gh/a/one", 0, 0.0, None)
    paced.blocked("gh/a/two", 0, 301.0, None)
    paced.succeeded("gh/a/two", 0, 302.0)
    paced.blocked("gh/a/three", 0, 303.0, None)
    assert paced.epoch == 0


def test_a_quota_that_is_nearly_spent_spreads_what_is_left() -> None:
    paced = pace(rate=100, burst=50)
    paced.take(0.0, waited=False)
    paced.quota([Quota(5, 300, 10), Quota(200, 300, 1)], 1.0)
    assert paced.ready == 3.0
    paced.take(3.0, waited=False)
    assert paced.ready == 5.0


def test_of_several_low_quotas_the_slowest_holds() -> None:
    paced = pace()
    paced.quota([Quota(1, 10, 1), Quota(3, 300, 60)], 0.0)
    assert paced.ready == 20.0


def test_the_less_is_left_the_slower_it_gets_whatever_the_reset_says() -> None:
    paced, gaps = pace(rate=10, burst=5), []
    for now, remaining in enumerate((31, 30, 15, 6, 3, 0)):
        paced.quota([Quota(remaining, 300, 1)], float(now))
        gaps.append(max(paced.ready - now, 0.0))
    assert gaps == pytest.approx([0, 0.1, 0.2, 0.5, 1, 1])


def test_a_spent_quota_holds_until_its_reset_and_never_longer_than_a_minute() -> None:
    paced = pace()
    paced.quota([Quota(0, 300, 1)], 0.0)
    assert paced.ready == 1.0
    paced.quota([Quota(0, 300, 86400)], 1.0)
    assert paced.ready == 61.0


def test_a_quota_that_is_well_again_holds_nothing() -> None:
    paced = pace()
    paced.quota([Quota(0, 300, 60)], 0.0)
    paced.quota([Quota(299, 300, 60)], 1.0)
    assert paced.ready <= 1.0


@pytest.mark.parametrize(
    ("rate", "burst", "taken", "slowed_until"),
    [
        (0.05, 1, 1, NEVER),  # the rate asks for more patience: 20 s
        (0.1, 1, 1, NEVER),  # the same 10 s
        (0.2, 1, 1, 10.0),
        (10, 5, 5, 10.0),
        (0.1, 2, 1, 10.0),  # the burst would let it go at once
        (0.1, 2, 2, NEVER),
    ],
)
def test_a_quota_slows_down_where_it_holds_longer_than_the_rate(
    rate: float, burst: int, taken: int, slowed_until: float
) -> None:
    paced = pace(rate=rate, burst=burst)
    for _ in range(taken):
        paced.take(0.0, waited=False)
    paced.quota([Quota(1, 1, 10)], 0.0)
    assert paced.held_until == 10.0
    assert paced.slowed_until == slowed_until


def test_a_quota_holds_from_the_newest_of_request_and_answer_until_its_reset() -> None:
    paced = pace(rate=100, burst=50)
    paced.take(0.0, waited=False)
    paced.quota([Quota(2, 300, 10)], 4.0)
    assert paced.held_until == 9.0  # 5 s after the answer
    paced.take(12.0, waited=False)
    assert paced.held_until == 14.0  # the reset, although the gap would end at 17


def test_whoever_takes_over_begins_without_the_burst_that_another_may_have_used() -> None:
    paced = pace(rate=4, burst=5, now=10.0)
    paced.begin_empty(10.0, NEVER)
    assert take_all(paced, 10.0) == 1
    assert paced.ready == pytest.approx(10.25)


@pytest.mark.parametrize(("until", "ready"), [(40.0, 40.0), (9.0, 10.0)])
def test_whoever_takes_over_heeds_a_pause_that_another_was_asked_for(until: float, ready: float) -> None:
    paced = pace(rate=4, burst=5, now=10.0)
    paced.begin_empty(10.0, until)
    assert paced.ready == pytest.approx(ready)
    assert take_all(paced, ready) == 1


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (5000, 30.0)])
def test_a_backoff_lies_between_its_first_value_and_a_ceiling_that_doubles(attempt: int, ceiling: float) -> None:
    assert full_jitter(attempt, 0.5, 30, lambda: 0.0) == 0.5
    assert full_jitter(attempt, 0.5, 30, lambda: 1.0) == ceiling


@pytest.mark.parametrize("kind", OF_ALL)
def test_a_failure_that_every_question_may_meet_is_doubted_once_until_the_light_question_was_asked(
    kind: type[PollError],
) -> None:
    contact = Contact()
    assert contact.doubt(kind("1"), 10)
    assert not contact.doubt(kind("2"), 11), "another has it asked"
    assert contact.doubted
    contact.found(None, 12)
    assert contact.failure() is None


@pytest.mark.parametrize(
    "kind", [DeadlineError, ForbiddenError, NotFoundError, PayloadError, StateError, ThrottledError]
)
def test_a_failure_of_one_question_is_not_doubted(kind: type[PollError]) -> None:
    assert not Contact().doubt(kind("1"), 10)


def test_an_answer_since_the_question_began_says_that_circleci_answers() -> None:
    contact = Contact()
    contact.answered(10)
    assert not contact.doubt(ServerError("500"), 9)
    assert contact.doubt(ServerError("500"), 10.1)


def test_of_a_refused_token_only_the_light_question_says_more() -> None:
    contact = Contact()
    contact.answered(10)
    assert contact.doubt(UnauthorizedError("401"), 9)
    contact.found(None, 11)
    assert not contact.doubt(UnauthorizedError("401"), 10.5)
    assert contact.doubt(UnauthorizedError("401"), 11.5)


def test_while_contact_is_lost_every_question_meets_the_same_failure_as_one_that_was_not_asked() -> None:
    contact = Contact()
    contact.doubt(ConnectionFailed("1"), 10)
    contact.found(UnauthorizedError("GET /me: 401"), 11)
    assert not contact.held
    for _ in range(2):
        failure = contact.failure()
        assert isinstance(failure, UnauthorizedError)
        assert (str(failure), failure.held) == ("GET /me: 401", True)
    assert contact.lost is not None
    assert not contact.lost.held
    assert not contact.doubt(ConnectionFailed("2"), 12)
    contact.found(None, 13)
    assert contact.held


@pytest.mark.parametrize("lost", [None, ConnectionFailed("gone")])
def test_a_light_question_that_could_not_be_asked_changes_nothing(lost: PollError | None) -> None:
    contact = Contact()
    contact.found(lost, 10)
    contact.doubt(ServerError("500"), 11)
    contact.unknown()
    assert (contact.lost, contact.doubted) == (lost, False)
