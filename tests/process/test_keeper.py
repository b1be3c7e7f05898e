"""A lease is kept by a thread that loses it in time, whatever the database does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StartError
from exporter.process.contact import steady
from exporter.process.keeper import Keeper
from exporter.state.postgres.lease_table import Acquired, LeaseTable
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login, UnreachableError
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import LOOK, RENEWAL, Wire
from tests.state.making import Log
from tests.state.postgres.making import LEASE, PLACE, end_lease, hold, linked, take_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.process.lease import Lease
    from tests.running.postgres import Address, Server


class Kept:
    """A keeper behind a wire of its own, and what it said."""

    def __init__(self, url: str, wire: Wire) -> None:
        self.wire, self.log = wire, Log()
        log: Any = self.log
        self.ahead = self.waited = 0.0
        """By so many seconds its clock is ahead of others, and the one by which it waits for answers."""
        login = Login(url, None, PATIENCE)
        link = Link(login, PATIENCE, lambda: self.waited)
        self.keeper = Keeper(LeaseTable(link, LEASE), PLACE, login, log, clock=lambda: steady() + self.ahead)

    def lease(self) -> Lease:
        """The lease, once it was acquired."""
        found = self.keeper.acquire()
        assert found is not None
        return found

    def leads(self) -> bool:
        lease = self.keeper.lease
        return lease is not None and lease.holds()

    def hurry(self) -> None:
        """Let it do now what is due in some minutes: renew the lease."""
        self.keeper._hurry.set()

    def losses(self) -> int:
        return self.log.told().count("not leading any more; standing by")

    def fall_silent(self) -> None:
        """Let the database say nothing to the next renewal, which is under way afterwards."""
        self.wire.fall_silent()
        self.hurry()
        wait_until(lambda: self.wire.held, why="a renewal")


@contextmanager
def kept(server: Server, database: Address) -> Iterator[Kept]:
    """A keeper of a lease."""
    with Wire(server.port) as wire:
        found = Kept(server.url(database.url.rpartition("/")[2], port=wire.port), wire)
        try:
            yield found
        finally:
            found.keeper.stop()


def until(database: Address) -> float:
    [(end,)] = database.run("SELECT until FROM lease")
    return float(end)


def test_a_lease_is_taken_and_renewed_until_the_end_and_then_given_back(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as found:
        assert found.keeper.reach()
        found.keeper.start()
        end = found.lease().acquired.now + LEASE
        wait_until(lambda: until(database) > end, why="the first renewal, which comes soon")
        assert found.leads()
        found.keeper.stop()
        assert not found.leads()
        assert until(database) == 0
    assert found.log.told() == ["leading"]


def test_a_standby_takes_over_when_the_lease_ends(postgres: Server, database: Address) -> None:
    with linked(database) as link, kept(postgres, database) as found:
        hold(link, "another")
        found.keeper.start()
        wait_until(lambda: found.wire.passed[LOOK] > 2, why="two looks and what came of them")
        assert found.keeper.lease is None
        end_lease(database)
        assert found.lease().acquired.hold.epoch == 2


def test_who_lost_the_lease_stands_by_and_may_have_it_again_later(postgres: Server, database: Address) -> None:
    with linked(database) as link, kept(postgres, database) as found:
        found.keeper.start()
        first = found.lease()
        other = take_over(database)
        found.hurry()
        wait_until(lambda: found.losses() == 1, why="the loss")
        assert first.over
        LeaseTable(link, LEASE).release(other)
        second = found.lease()
        assert [each.acquired.hold.epoch for each in (first, second)] == [1, 3]
        assert second.holds()
        assert not first.holds(), "though this replica leads again"


def test_a_silent_database_ends_leading_before_the_lease_ends(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as found:
        found.keeper.start()
        found.lease()
        found.fall_silent()
        found.ahead = 0.9 * LEASE
        assert not found.leads()
        assert database.run("SELECT 1 FROM lease WHERE until > lease_now()")
        found.waited = 2 * PATIENCE
        wait_until(lambda: found.losses() == 1, why="the loss")
        assert "the database cannot be reached" in found.log.told()
        end_lease(database)
        found.wire.heal()
        wait_until(found.leads)
        assert "the database can be reached again" in found.log.told()


def test_a_short_silence_is_lived_through(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as found:
        found.keeper.start()
        found.lease()
        found.wire.cut()
        found.hurry()
        wait_until(lambda: "the database cannot be reached" in found.log.told(), why="the outage to be noticed")
        before = until(database)
        found.wire.heal()
        wait_until(lambda: until(database) > before, why="a renewal")
        assert found.leads()
        assert (found.lease().acquired.hold.epoch, found.losses()) == (1, 0)


def test_a_lease_that_is_renewed_too_late_to_be_sure_of_it_is_said_to_have_lapsed(
    postgres: Server, database: Address
) -> None:
    with kept(postgres, database) as found:
        found.keeper.start()
        lease = found.lease()
        found.ahead = 0.95 * LEASE
        assert not found.leads()
        found.hurry()
        wait_until(found.leads)
        wait_until(lambda: lease.outdated == "the lease was renewed late", why="the lapse to be said")
        assert (lease.acquired.hold.epoch, found.losses()) == (1, 0)


def test_a_leader_finds_by_a_renewal_that_the_database_lacks_commits_and_takes_the_lease_again(
    postgres: Server, database: Address
) -> None:
    with kept(postgres, database) as found:
        found.keeper.start()
        lease = found.lease()
        found.keeper.commits.saw(lease.acquired.hold, 7)
        found.hurry()
        wait_until(lambda: lease.outdated == "the database lacks commits", why="a renewal to find it")
        found.keeper.acquire_again(lease)
        acquired = lease.acquired
        assert (acquired.hold.epoch, acquired.commits, acquired.lacking) == (2, 7, True)
        assert lease.holds()
        first = until(database)
        found.hurry()
        wait_until(lambda: until(database) > first, why="another renewal")
        assert not lease.outdated, "whoever begins with it knows"


def test_a_standby_that_has_seen_more_lets_the_leader_know(postgres: Server, database: Address) -> None:
    with linked(database) as link, kept(postgres, database) as found:
        table = LeaseTable(link, LEASE)
        held = hold(link, "another")
        database.run("UPDATE lease SET commits = 7, begun_epoch = epoch")
        found.keeper.start()
        wait_until(lambda: found.keeper.commits.newest.commits == 7, why="the commits to be seen")
        database.run("UPDATE lease SET commits = 5")

        def is_told() -> bool:
            renewed = table.renew(held, None)
            return renewed is not None and (renewed.commits, renewed.lacking) == (7, True)

        wait_until(is_told)
        wait_until(found.log.told)
        assert found.log.told() == ["the database lacks commits that were made: it is an older copy"]


def test_a_standby_that_takes_over_from_nobody_finds_what_is_lacking(postgres: Server, database: Address) -> None:
    with linked(database) as link, kept(postgres, database) as found:
        hold(link, "another")
        database.run("UPDATE lease SET commits = 7, begun_epoch = 4, epoch = 4")
        found.keeper.start()
        wait_until(lambda: found.keeper.commits.newest.commits == 7, why="the commits to be seen")
        database.run("DELETE FROM lease")
        acquired = found.lease().acquired
        assert acquired == Acquired(acquired.hold, acquired.now, None, 7, lacking=True)
        assert acquired.hold.epoch == 5


def test_the_end_of_a_leader_does_not_wait_for_a_silent_database(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as found, ThreadPoolExecutor(1) as pool:
        found.keeper.start()
        found.lease()
        found.fall_silent()  # and by the clock of the test, which stands still, it is waited for without end
        pool.submit(found.keeper.stop).result(PATIENCE)
        assert not found.leads()


def test_a_database_that_is_not_there_yet_is_waited_for_and_that_is_said_once(
    postgres: Server, database: Address
) -> None:
    with kept(postgres, database) as found:
        found.wire.cut()
        assert not found.keeper.reach()
        assert not found.keeper.reached
        with pytest.raises(UnreachableError):
            found.keeper.acquire_once()
        found.keeper.start()
        tried = found.wire.refused
        wait_until(lambda: found.wire.refused > tried + 2, why="two attempts and what came of them")
        assert found.log.told() == ["the database cannot be reached"]


def test_a_newer_database_is_no_place_for_an_older_program(postgres: Server, database: Address) -> None:
    with linked(database), kept(postgres, database) as found:
        database.run("UPDATE circleci_exporter_schema SET version = version + 1")
        try:
            with pytest.raises(StartError, match="has version"):
                found.keeper.reach()
            found.keeper.start()
            assert found.keeper.acquire() is None
            assert "has version" in str(found.keeper.failure)
        finally:
            database.run("UPDATE circleci_exporter_schema SET version = version - 1")


def test_a_pause_of_circleci_s_is_kept_with_the_lease_at_once(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as found:
        found.keeper.start()
        found.lease()
        wait_until(lambda: found.wire.passed[RENEWAL], why="the first renewal: the next is due in some minutes")
        for pause in (None, 1_800_000_000.0, 1_800_000_000.2):
            found.keeper.note_pause(pause)
        wait_until(
            lambda: database.run("SELECT paused_until FROM lease") == [(1_800_000_000.0,)], why="the pause to be kept"
        )
    with kept(postgres, database) as found:
        found.keeper.start()
        assert found.lease().acquired.paused_until == 1_800_000_000.0


def test_one_command_may_hold_the_lease(postgres: Server, database: Address) -> None:
    with kept(postgres, database) as one, kept(postgres, database) as two:
        assert one.keeper.reach()
        assert two.keeper.reach()
        assert one.keeper.acquire_once()
        assert two.keeper.acquire_once() is None
        one.keeper.start()
        one.keeper.stop()
        assert two.keeper.acquire_once()
