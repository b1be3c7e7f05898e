"""Terms follow one another, whatever goes wrong while one begins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import ConfigError, Problem, StateError
from exporter.process.contact import steady
from exporter.process.keeper import Keeper
from exporter.process.leading import Leader
from exporter.state.postgres.database import Refused
from exporter.state.postgres.lease_table import LeaseTable
from exporter.state.postgres.link import Link
from tests.running.waiting import PATIENCE, wait_until
from tests.state.making import Log
from tests.state.postgres.making import LEASE, PLACE, linked, made, take_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.process.lease import Lease
    from tests.running.postgres import Address


class Brief:
    """A term of nothing."""

    def __init__(self, lease: Lease, leader: Leader) -> None:
        self.lease, self.stale, self.steps = lease, "", ["made"]
        self.leader, self.followed_by = leader, list[object]()
        self.acquired, self.ended = lease.acquired, lease.stop_event()

    def restore(self) -> None:
        self.steps.append("restored")

    def start(self) -> None:
        self.steps.append("started")

    def stop(self) -> None:
        self.steps.append("stopped")
        self.followed_by.append(self.leader.shown)

    def close(self) -> None:
        self.steps.append("closed")


class Following:
    """A leader, and the terms that it began. What is in `troubles` comes before the next ones."""

    def __init__(self, database: Address) -> None:
        self.log = Log()
        self.log.exception = self.log.error  # type: ignore[attr-defined]
        log: Any = self.log
        self.terms: list[Brief] = []
        self.troubles: list[Exception] = []
        self.may_read, self.reads = threading.Event(), 0
        self.may_read.set()
        self.ahead = 0.0
        """By so many seconds its clock is ahead of others."""
        self.table = LeaseTable(Link(database.login(), PATIENCE), LEASE)
        self.keeper = Keeper(self.table, PLACE, database.login(), log, clock=lambda: steady() + self.ahead)
        begin: Any = self._begin
        self.leader = Leader(self.keeper, begin, log)
        self.ended = threading.Event()

    def start(self) -> None:
        self.leader.start(self.ended.set)

    def _begin(self, lease: Lease) -> Brief:
        if self.troubles:
            raise self.troubles.pop(0)
        self.reads += 1
        assert self.may_read.wait(PATIENCE)
        self.terms.append(Brief(lease, self.leader))
        return self.terms[-1]

    def renew(self) -> None:
        """Let it renew the lease now, not in some minutes."""
        self.keeper._hurry.set()

    def leads(self) -> bool:
        shown: Any = self.leader.shown
        return shown is not None and shown.steps[-1] == "started"


def renewed(following: Following, database: Address) -> None:
    """Let the lease be renewed, and wait for that."""
    [(end,)] = database.run("SELECT until FROM lease")
    following.renew()
    wait_until(lambda: database.run("SELECT 1 FROM lease WHERE until > %s", [end]), why="a renewal")


@pytest.fixture
def following(database: Address) -> Iterator[Following]:
    with linked(database):
        found = Following(database)
        yield found
        found.leader.stop()


def test_a_term_ends_with_its_lease_and_another_begins_with_the_next(following: Following, database: Address) -> None:
    following.start()
    wait_until(following.leads)
    with linked(database) as link:
        other = take_over(database)
        following.renew()
        wait_until(lambda: following.leader.current is None, why="the end of the term")
        assert following.terms[0].steps == ["made", "restored", "started", "stopped", "closed"]
        assert following.terms[0].ended.is_set()
        LeaseTable(link, LEASE).release(other)
    wait_until(following.leads)
    assert len(following.terms) == 2


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (StateError("the database: gone"), "the database could not be read"),
        (ConfigError((Problem("config.yaml", "a", "b"),)), "the configuration cannot be used"),
        (RuntimeError("a defect"), "unexpected error while the database was read"),
    ],
)
def test_a_term_that_cannot_begin_is_tried_again(following: Following, trouble: Exception, said: str) -> None:
    following.troubles.append(trouble)
    following.start()
    wait_until(following.leads)
    assert said in following.log.told()


def test_the_lease_is_kept_while_all_is_read_and_nothing_is_shown_before_that(
    following: Following, database: Address
) -> None:
    following.may_read.clear()
    following.start()
    wait_until(lambda: following.reads, why="the state to be read")
    for _ in range(2):
        renewed(following, database)
        assert following.leader.shown is None
    assert not following.terms
    following.may_read.set()
    wait_until(following.leads)
    assert database.run("SELECT epoch FROM lease") == [(1,)]


def test_what_is_stale_is_shown_until_all_was_read_again(following: Following) -> None:
    following.start()
    wait_until(following.leads)
    first = following.terms[0]
    following.troubles.append(StateError("the database: gone"))
    first.stale = "a commit has an unknown end"
    wait_until(lambda: not following.troubles)
    shown: Any = following.leader.shown
    assert shown is first
    wait_until(lambda: len(following.terms) == 2 and following.leads())
    assert first.steps == ["made", "restored", "started", "stopped", "closed"]
    assert first.followed_by == [following.terms[1]], "and nothing between"
    before, after = first.acquired.hold, following.terms[1].acquired.hold
    assert (after.place, after.holder, after.epoch) == (before.place, before.holder, before.epoch + 2)


def test_after_a_failure_all_is_read_under_a_lease_that_was_taken_again(following: Following) -> None:
    following.troubles += [StateError("the database: it is an older copy")] * 2
    following.start()
    wait_until(following.leads)
    assert following.terms[0].acquired.hold.epoch == 3


def test_a_database_that_lacks_commits_is_read_again_and_whoever_reads_it_is_told(
    following: Following, database: Address
) -> None:
    following.start()
    wait_until(following.leads)
    first = following.terms[0]
    with linked(database) as link:
        postgres = made(link, first.acquired.hold)
        postgres._seen = lambda commits: following.keeper.commits.saw(first.acquired.hold, commits)
        database.run("UPDATE lease SET commits = commits - 1")
        with pytest.raises(Refused, match="older copy"), postgres.transaction():
            postgres.execute("SELECT 1")
        first.stale = postgres.stale
    wait_until(lambda: len(following.terms) == 2 and following.leads())
    assert ("warning", "reading the database again", {"why": "the database lacks commits"}) in following.log.events
    assert [term.acquired.lacking for term in following.terms] == [False, True]


def test_work_that_saw_the_lease_lapse_goes_on_in_another_term(following: Following, database: Address) -> None:
    following.start()
    wait_until(following.leads)
    following.ahead = 0.95 * LEASE
    assert following.leader.shown is None
    assert following.terms[0].ended.is_set()
    following.renew()
    wait_until(lambda: len(following.terms) == 2 and following.leads())
    assert following.terms[0].steps == ["made", "restored", "started", "stopped", "closed"]
    assert database.run("SELECT epoch FROM lease") == [(2,)]
    assert ("warning", "reading the database again", {"why": "the lease was renewed late"}) in following.log.events


def test_a_commit_that_is_still_under_way_is_waited_for_before_all_is_read_again(
    following: Following, database: Address
) -> None:
    following.table._begin = ("BEGIN", "SET LOCAL lock_timeout = 300")  # as with a lease of 3 s
    following.start()
    wait_until(following.leads)
    first = following.terms[0]
    with linked(database) as link:
        postgres = made(link, first.acquired.hold)
        with postgres.transaction():
            postgres.execute("INSERT INTO server (url, up) VALUES (?, ?)", ("late", 1))
            postgres.execute("SELECT 1")
            first.stale = "a commit has an unknown end"
            wait_until(lambda: "waiting for what is under way in the database" in following.log.told(), why="a wait")
            for _ in range(2):
                renewed(following, database)
            assert following.leads()
            assert not {"the database cannot be reached", "not leading any more; standing by"} & {*following.log.told()}
            assert following.log.told().count("waiting for what is under way in the database") == 1
            assert len(following.terms) == 1
        wait_until(lambda: len(following.terms) == 2 and following.leads())
        with pytest.raises(Refused), postgres.transaction():
            postgres.execute("SELECT 1")
    assert database.run("SELECT url FROM server") == [("late",)]


def test_what_was_being_read_when_the_end_came_is_never_started(following: Following) -> None:
    following.may_read.clear()
    following.start()
    wait_until(lambda: following.reads)
    following.leader.stop()
    following.may_read.set()
    wait_until(lambda: following.terms and following.terms[0].steps[-1] == "closed")
    assert following.terms[0].steps == ["made", "restored", "stopped", "closed"]


def test_the_end_ends_the_term_and_gives_the_lease_back(following: Following, database: Address) -> None:
    following.start()
    wait_until(following.leads)
    following.leader.stop()
    assert following.terms[0].steps == ["made", "restored", "started", "stopped", "closed"]
    assert database.run("SELECT until FROM lease") == [(0.0,)]
    assert following.leader.shown is None
    assert following.ended.wait(PATIENCE)
