"""Waiting for a state."""

from __future__ import annotations

import threading

import pytest

from tests.running.waiting import wait_until


def test_what_comes_true_later_is_returned() -> None:
    answers = iter([None, "", "there"])
    assert wait_until(lambda: next(answers), interval=0.001) == "there"


def test_a_state_that_another_thread_brings_is_seen() -> None:
    event = threading.Event()
    timer = threading.Timer(0.02, event.set)
    timer.start()
    assert wait_until(event.is_set, interval=0.001)
    timer.join()


def test_a_failed_assertion_or_connection_means_not_yet() -> None:
    troubles = iter([AssertionError("too few"), ConnectionRefusedError()])

    def state() -> bool:
        for trouble in troubles:
            raise trouble
        return True

    assert wait_until(state, interval=0.001)


def test_a_wait_in_vain_tells_what_for_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.01 s in vain for the answer; last: \[\]"):
        wait_until(list, timeout=0.01, interval=0.001, why="the answer")


def test_any_other_error_ends_the_wait_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0)
