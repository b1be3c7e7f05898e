from __future__ import annotations

from typing import Any

import pytest

from exporter.process.contact import Commits, Contact, DatabaseClock
from exporter.state.postgres.lease_table import Hold, Newest
from exporter.state.postgres.login import BusyError, UnreachableError
from tests.state.making import Log
from tests.state.postgres.making import PLACE


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    log: Any = Log()
    contact = Contact(log)
    assert contact.reachable
    for _ in range(2):
        contact.lost(UnreachableError("gone"))
        assert not contact.reachable
    for _ in range(2):
        contact.made()
        assert contact.reachable
    assert log.told() == ["the database cannot be reached", "the database can be reached again"]


def test_waiting_for_others_is_no_outage_and_is_logged_once_each_time() -> None:
    log: Any = Log()
    contact = Contact(log)
    for _ in range(2):
        contact.lost(BusyError("locked"))
        contact.lost(BusyError("locked"))
        contact.waits_no_more()
    assert contact.reachable
    assert log.told() == ["waiting for what is under way in the database"] * 2


def test_the_time_is_the_database_s_and_passes_steadily() -> None:
    passed, local = 50.0, 1_000.0
    clock = DatabaseClock(lambda: passed, lambda: local)
    assert clock.wall() == 1_000.0
    clock.measured(1_300.0, 50.0, 50.0)
    assert clock.wall() == 1_300.0
    passed, local = 60.0, 5.0
    assert clock.wall() == 1_310.0


@pytest.mark.parametrize(
    ("said", "expected"), [(1_000.5, 1_001.0), (1_000.0, 1_001.0), (1_003.0, 1_003.0), (990.0, 991.0)]
)
def test_a_slow_answer_moves_the_clock_only_as_far_as_it_proves(said: float, expected: float) -> None:
    passed = 50.0
    clock = DatabaseClock(lambda: passed, lambda: 1_000.0)
    passed = 51.0
    clock.measured(said, 50.0, 51.0)
    assert clock.wall() == expected


def seen(epoch: int, number: int) -> Commits:
    commits = Commits()
    commits.saw(Hold(PLACE, "one", epoch), number)
    return commits


@pytest.mark.parametrize(
    ("found", "lacks"),
    [
        (Newest(5, 60, 100), False),
        (Newest(5, 60, 140), False),
        (Newest(5, 60, 99), True),
        (Newest(6, 100, 103), False),
        (Newest(6, 99, 103), True),  # another has taken the copy, and has made more commits since
        (Newest(4, 30, 98), True),
        (Newest(4, 30, 100), False),  # it lacks no more than a taking of the lease
    ],
)
def test_a_copy_is_older_by_the_commits_of_an_epoch_or_by_those_with_which_a_later_one_began(
    found: Newest, lacks: bool
) -> None:
    assert (seen(5, 100).look(found) is not None) == lacks


def test_what_is_lacking_is_told_once_for_each_leader() -> None:
    commits = seen(5, 100)
    assert commits.look(Newest(6, 99, 103)) == Newest(5, 100, 100)
    assert commits.look(Newest(6, 99, 104)) is None
    assert commits.look(Newest(7, 50, 60)) == Newest(6, 99, 104)


def test_a_late_word_of_an_epoch_that_is_over_is_not_the_newest() -> None:
    commits = seen(6, 100)
    commits.saw(Hold(PLACE, "one", 5), 99)
    assert commits.newest == Newest(6, 100, 100)
