from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from exporter.state.postgres.lease_table import LeaseTable, Newest, Place, fence, nothing_lacks
from tests.running.waiting import wait_until
from tests.state.making import SERVER
from tests.state.postgres.making import LEASE, PLACE, back_to_first, end_lease, linked, waits_for_lock

if TYPE_CHECKING:
    from tests.running.postgres import Address, Server

TWO = (Place(SERVER, 0, 2), Place(SERVER, 1, 2))


def test_one_has_the_lease_until_it_ends(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        first = table.acquire(PLACE, "one")
        assert first is not None
        assert not table.look(PLACE).is_free(PLACE)
        assert table.acquire(PLACE, "two") is None
        end_lease(database)
        assert table.look(PLACE).is_free(PLACE)
        second = table.acquire(PLACE, "two")
        assert second is not None
        assert (first.hold.epoch, second.hold.epoch) == (1, 2)


def test_a_place_that_nobody_ever_led_is_free(database: Address) -> None:
    with linked(database) as link:
        seen = LeaseTable(link, LEASE).look(PLACE)
        assert seen.until == {}
        assert seen.is_free(PLACE)


def test_a_lease_is_renewed_only_before_it_ends_and_the_same_holder_gets_a_new_epoch(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        first = table.acquire(PLACE, "one")
        assert first is not None
        before = table.look(PLACE).until[0, 1]
        assert table.renew(first.hold, None) is not None
        assert table.look(PLACE).until[0, 1] > before
        end_lease(database)
        assert table.renew(first.hold, None) is None
        again = table.acquire(PLACE, "one")
        assert again is not None
        assert again.hold.epoch == 2
        assert table.renew(first.hold, None) is None
        assert table.renew(again.hold, None) is not None


def test_what_is_given_back_is_free_at_once_and_the_fence_of_it_is_shut(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        first = table.acquire(PLACE, "one")
        assert first is not None
        assert link.run(fence(link, first.hold)) == [[(1,)]]
        table.release(first.hold)
        assert link.run(fence(link, first.hold)) == [[]]
        assert table.look(PLACE).is_free(PLACE)
        assert table.acquire(PLACE, "two") is not None


def test_a_lease_that_another_has_cannot_be_given_back(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        first = table.acquire(PLACE, "one")
        end_lease(database)
        second = table.acquire(PLACE, "two")
        assert first is not None
        assert second is not None
        table.release(first.hold)
        assert not table.look(PLACE).is_free(PLACE)
        assert link.run(fence(link, second.hold)) == [[(1,)]]


def test_shards_of_one_number_have_leases_of_their_own(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        assert [table.acquire(place, "one") is not None for place in TWO] == [True, True]


def test_another_number_of_shards_waits_until_every_lease_of_the_old_one_has_ended(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        old = [table.acquire(place, "old") for place in TWO]
        assert not table.look(PLACE).is_free(PLACE)
        assert table.acquire(PLACE, "new") is None
        assert old[0] is not None
        table.release(old[0].hold)
        assert table.acquire(PLACE, "new") is None
        end_lease(database)
        assert table.acquire(PLACE, "new") is not None
        assert [table.acquire(place, "old") for place in TWO] == [None, None]


def test_a_leader_of_the_old_number_of_shards_that_wakes_is_fenced_off(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        old = table.acquire(TWO[1], "old")
        assert old is not None
        end_lease(database)
        assert table.acquire(PLACE, "new") is not None
        assert link.run(fence(link, old.hold)) == [[]]
        assert table.renew(old.hold, None) is None


def test_a_lease_that_ends_while_the_taking_waits_is_not_taken_since_its_commits_were_not_waited_for(
    database: Address,
) -> None:
    with linked(database) as link, linked(database) as other, ThreadPoolExecutor(1) as pool:
        table = LeaseTable(link, LEASE)
        assert table.acquire(PLACE, "one") is not None
        database.run(
            "INSERT INTO lease (server, shard, total, holder, epoch, until) VALUES (%s, 0, 2, 'old', 1, 0)", [SERVER]
        )
        other.run("BEGIN", "SELECT 1 FROM lease WHERE total = 2 FOR KEY SHARE")
        taking = pool.submit(table.acquire, PLACE, "two")
        wait_until(lambda: waits_for_lock(database), why="the taking to wait")
        database.run("UPDATE lease SET until = lease_now() WHERE total = 1")
        assert not taking.done()
        other.run("COMMIT")
        assert taking.result() is None
        assert table.acquire(PLACE, "two") is not None


def test_a_lease_that_holds_is_taken_again_under_a_new_epoch_and_one_that_has_ended_is_not(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        acquired = table.acquire(PLACE, "one")
        assert acquired is not None
        again = table.acquire_again(acquired.hold)
        assert again is not None
        assert again.hold == acquired.hold._replace(epoch=acquired.hold.epoch + 1)
        assert table.renew(acquired.hold, None) is None
        assert table.acquire_again(acquired.hold) is None
        assert link.run(fence(link, acquired.hold)) == [[]]
        end_lease(database)
        assert table.acquire_again(again.hold) is None


def test_who_begins_to_lead_finds_what_is_lacking_by_what_it_has_seen(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        acquired = table.acquire(PLACE, "one")
        assert acquired is not None
        for known, commits, lacking in ((0, 0, False), (7, 7, True), (5, 7, True)):
            begun = table.begin(acquired, known)
            assert begun is not None
            assert (begun.commits, begun.lacking) == (commits, lacking), "until it is counted anew"
            link.run(nothing_lacks(link, PLACE)) if known == 5 else None
        assert table.look(PLACE).newest == {(0, 1): Newest(1, 7, 7)}
        again = table.begin(acquired, 7)
        assert again is not None
        assert not again.lacking
        end_lease(database)
        assert table.acquire(PLACE, "two", 40) is not None
        assert table.begin(acquired, 7) is None


def test_an_epoch_is_above_all_that_were_seen(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        for seen, epoch in ((6, 7), (3, 8), (8, 9)):
            acquired = table.acquire(PLACE, "one", seen)
            assert acquired is not None
            assert acquired.hold.epoch == epoch
            end_lease(database)


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        (Newest(1, 0, 40), False),
        (Newest(1, 0, 41), True),
        (Newest(0, 0, 30), False),
        (Newest(0, 0, 31), True),  # it began with 30, and has made more since
    ],
)
def test_a_standby_notes_what_is_lacking_in_the_row_as_it_is_then(
    database: Address, known: Newest, *, lacking: bool
) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        acquired = table.acquire(PLACE, "one")
        assert acquired is not None
        table.begin(acquired, 30)
        database.run("UPDATE lease SET commits = 40, lacking = FALSE")
        assert table.note_lacking(PLACE, known) == lacking
        renewed = table.renew(acquired.hold, None)
        assert renewed is not None
        assert (renewed.commits, renewed.lacking) == (max(40, known.commits), lacking)


def test_tables_of_the_version_before_are_looked_at_and_taken_too(postgres: Server) -> None:
    database = postgres.database()
    with linked(database) as link:
        back_to_first(database)
        table = LeaseTable(link, LEASE)
        assert table.acquire(PLACE, "one") is not None
        seen = table.look(PLACE)
        assert [*seen.until] == [(0, 1)]
        assert seen.newest == {}


def test_another_server_has_leases_of_its_own(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        other = Place("https://circleci.example.com/api/v2", 0, 3)
        assert table.acquire(PLACE, "one") is not None
        assert table.look(other).is_free(other)
        assert table.acquire(other, "two") is not None


def test_the_next_holder_is_told_until_when_circleci_asked_for_a_pause(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        first = table.acquire(PLACE, "one")
        assert first is not None
        assert first.paused_until is None
        assert table.renew(first.hold, 1_800_000_000.5) is not None
        end_lease(database)
        second = table.acquire(PLACE, "two")
        assert second is not None
        assert second.paused_until == 1_800_000_000.5


def test_so_is_the_holder_of_another_number_of_shards(database: Address) -> None:
    with linked(database) as link:
        table = LeaseTable(link, LEASE)
        for place, pause in zip(TWO, (None, 1_800_000_000.5), strict=True):
            acquired = table.acquire(place, "old")
            assert acquired is not None
            table.renew(acquired.hold, pause)
        end_lease(database)
        beside = table.acquire(TWO[0], "new")
        assert beside is not None
        assert beside.paused_until is None
        end_lease(database)
        alone = table.acquire(PLACE, "new")
        assert alone is not None
        assert alone.paused_until == 1_800_000_000.5
