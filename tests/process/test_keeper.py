"""A lease is kept by a thread that loses it in time, whatever the database does."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StartError
from exporter.process.contact import steady
from exporter.process.keeper import Keeper
from exporter.state.postgres.lease_table import Acquired, LeaseTable
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login, UnreachableError
from tests.running.postgres import free_port
from tests.running.waiting import AT_ONCE, PATIENCE, wait_until
from tests.running.wire import Wire
from tests.state.making import Log
from tests.state.postgres.making import PLACE, end_lease, hold, linked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.process.lease import Lease
    from tests.running.postgres import Address, Server

LEASE = 3.0


class Kept:
    """A keeper, and what it said. Its clock is `ahead` of others by so many seconds."""

    def __init__(self, url: str, lease: float, limit: float) -> None:
        self.log = Log()
        log: Any = self.log
        self.ahead = 0.0
        login = Login(url, None, 2.0)
        self.keeper = Keeper(
            LeaseTable(Link(login, limit), lease), PLACE, login, log, clock=lambda: steady() + self.ahead
        )

    def lease(self) -> Lease:
        """The lease, once it was acquired."""
        found = self.keeper.acquire()
        assert found is not None
        return found

    def leads(self) -> bool:
        lease = self.keeper.lease
        return lease is not None and lease.holds()

    def losses(self) -> int:
        return self.log.told().count("not leading any more; standing by")


@contextmanager
def kept(url: str, *, lease: float = LEASE, limit: float = 1.0) -> Iterator[Kept]:
    """A keeper of a lease of so many seconds, that waits for the database up to a limit."""
    found = Kept(url, lease, limit)
    try:
        yield found
    finally:
        found.keeper.stop()


def until(database: Address) -> float:
    [(end,)] = database.run("SELECT until FROM lease")
    return float(end)


def through(server: Server, database: Address, wire: Wire) -> str:
    return server.url(database.url.rpartition("/")[2], port=wire.port)


def test_a_lease_is_taken_and_renewed_until_the_end_and_then_given_back(database: Address) -> None:
    with kept(database.url) as found:
        assert found.keeper.reach()
        found.keeper.start()
        wait_until(found.leads)
        first = until(database)
        wait_until(lambda: until(database) > first)
        found.keeper.stop()
        assert not found.leads()
        assert until(database) == 0
    assert found.log.told() == ["leading"]


def test_a_standby_takes_over_when_the_lease_ends(database: Address) -> None:
    with linked(database) as link, kept(database.url) as found:
        hold(link, "another")
        found.keeper.start()
        wait_until(lambda: found.keeper.reached)
        time.sleep(1.2)
        assert found.keeper.lease is None
        end_lease(database)
        wait_until(found.leads)
        assert found.lease().acquired.hold.epoch == 2


def test_who_lost_the_lease_stands_by_and_may_have_it_again_later(database: Address) -> None:
    with linked(database) as link, kept(database.url) as found:
        found.keeper.start()
        first = found.lease()
        end_lease(database)
        other = hold(link, "another")
        wait_until(lambda: found.losses() == 1)
        assert first.over
        LeaseTable(link, LEASE).release(other)
        second = found.lease()
        assert [each.acquired.hold.epoch for each in (first, second)] == [1, 3]
        assert second.holds()
        assert not first.holds(), "though this replica leads again"


def test_a_silent_database_ends_leading_before_the_lease_ends(postgres: Server, database: Address) -> None:
    with Wire(postgres.port) as wire, kept(through(postgres, database, wire)) as found:
        found.keeper.start()
        wait_until(found.leads)
        wire.fall_silent()
        wait_until(lambda: database.run("SELECT 1 FROM lease WHERE until <= lease_now()"), interval=0.01)
        assert not found.leads()
        wait_until(lambda: found.losses() == 1)
        assert "the database cannot be reached" in found.log.told()
        wire.heal()
        wait_until(found.leads)
        assert "the database can be reached again" in found.log.told()


def test_a_short_silence_is_lived_through(postgres: Server, database: Address) -> None:
    with Wire(postgres.port) as wire, kept(through(postgres, database, wire)) as found:
        found.keeper.start()
        wait_until(found.leads)
        wire.cut()
        wait_until(lambda: "the database cannot be reached" in found.log.told())
        wire.heal()
        before = until(database)
        wait_until(lambda: until(database) > before)
        assert found.leads()
        assert (found.lease().acquired.hold.epoch, found.losses()) == (1, 0)


def test_a_lease_that_is_renewed_too_late_to_be_sure_of_it_is_said_to_have_lapsed(database: Address) -> None:
    with kept(database.url) as found:
        found.keeper.start()
        wait_until(found.leads)
        found.ahead = 0.95 * LEASE
        assert not found.leads()
        wait_until(found.leads)
        lease = found.lease()
        wait_until(lambda: lease.outdated == "the lease was renewed late")
        assert (lease.acquired.hold.epoch, found.losses()) == (1, 0)


def test_a_leader_finds_by_a_renewal_that_the_database_lacks_commits_and_takes_the_lease_again(
    database: Address,
) -> None:
    with kept(database.url) as found:
        found.keeper.start()
        lease = found.lease()
        found.keeper.commits.saw(lease.acquired.hold, 7)
        wait_until(lambda: lease.outdated == "the database lacks commits")
        found.keeper.acquire_again(lease)
        acquired = lease.acquired
        assert (acquired.hold.epoch, acquired.commits, acquired.lacking) == (2, 7, True)
        assert lease.holds()
        first = until(database)
        wait_until(lambda: until(database) > first)
        assert not lease.outdated, "whoever begins with it knows"


def test_a_standby_that_has_seen_more_lets_the_leader_know(database: Address) -> None:
    with linked(database) as link, kept(database.url) as found:
        table = LeaseTable(link, 60.0)
        held = hold(link, "another")
        database.run("UPDATE lease SET commits = 7, begun_epoch = epoch")
        found.keeper.start()
        wait_until(lambda: found.keeper.commits.newest.commits == 7)
        database.run("UPDATE lease SET commits = 5")

        def is_told() -> bool:
            renewed = table.renew(held, None)
            return renewed is not None and (renewed.commits, renewed.lacking) == (7, True)

        wait_until(is_told)
        wait_until(found.log.told)
        assert found.log.told() == ["the database lacks commits that were made: it is an older copy"]


def test_a_standby_that_takes_over_from_nobody_finds_what_is_lacking(database: Address) -> None:
    with linked(database) as link, kept(database.url) as found:
        hold(link, "another")
        database.run("UPDATE lease SET commits = 7, begun_epoch = 4, epoch = 4")
        found.keeper.start()
        wait_until(lambda: found.keeper.commits.newest.commits == 7)
        database.run("DELETE FROM lease")
        acquired = found.lease().acquired
        assert acquired == Acquired(acquired.hold, acquired.now, None, 7, lacking=True)
        assert acquired.hold.epoch == 5


def test_the_end_of_a_leader_does_not_wait_for_a_silent_database(postgres: Server, database: Address) -> None:
    with Wire(postgres.port) as wire, kept(through(postgres, database, wire), limit=PATIENCE) as found:
        found.keeper.start()
        wait_until(found.leads)
        wire.fall_silent()
        began = time.monotonic()
        found.keeper.stop()
        assert time.monotonic() - began < AT_ONCE
        assert not found.leads()


def test_a_database_that_is_not_there_yet_is_waited_for() -> None:
    with kept(f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere") as found:
        assert not found.keeper.reach()
        assert not found.keeper.reached
        with pytest.raises(UnreachableError):
            found.keeper.acquire_once()
        found.keeper.start()
        time.sleep(0.2)
        assert found.log.told() == ["the database cannot be reached"]


def test_a_newer_database_is_no_place_for_an_older_program(database: Address) -> None:
    with linked(database), kept(database.url) as found:
        database.run("UPDATE circleci_exporter_schema SET version = version + 1")
        try:
            with pytest.raises(StartError, match="has version"):
                found.keeper.reach()
            found.keeper.start()
            assert found.keeper.acquire() is None
            assert "has version" in str(found.keeper.failure)
        finally:
            database.run("UPDATE circleci_exporter_schema SET version = version - 1")


def test_a_pause_of_circleci_s_is_kept_with_the_lease_at_once(database: Address) -> None:
    with kept(database.url, lease=600.0) as found:  # which would be renewed after some minutes
        found.keeper.start()
        wait_until(found.leads)
        acquired = until(database)
        wait_until(lambda: until(database) > acquired, why="the first renewal, which comes soon")
        for pause in (None, 1_800_000_000.0, 1_800_000_000.2):
            found.keeper.note_pause(pause)
        wait_until(lambda: database.run("SELECT paused_until FROM lease") == [(1_800_000_000.0,)])
    with kept(database.url) as found:
        found.keeper.start()
        assert found.lease().acquired.paused_until == 1_800_000_000.0


def test_one_command_may_hold_the_lease(database: Address) -> None:
    with kept(database.url) as one, kept(database.url) as two:
        assert one.keeper.reach()
        assert two.keeper.reach()
        assert one.keeper.acquire_once()
        assert two.keeper.acquire_once() is None
        one.keeper.start()
        one.keeper.stop()
        assert two.keeper.acquire_once()
