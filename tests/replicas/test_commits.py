"""What lacks a commit that was seen is an older copy, whoever has taken it since."""

from __future__ import annotations

import pytest

from exporter.replicas.commits import Commits
from exporter.state.postgres.lease_table import Hold, Newest
from tests.state.postgres.making import PLACE


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
