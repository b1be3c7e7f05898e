from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.state.postgres import schema
from exporter.state.postgres.lease_table import Acquired, LeaseTable, Place, fence, nothing_lacks
from exporter.state.postgres.link import Link
from tests.running.waiting import PATIENCE, wait_until
from tests.state.postgres.making import (
    LEASE,
    PLACE,
    Clock,
    back_to_first,
    end_lease,
    hold,
    linked,
    waits_for_lock,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running.postgres import Address, Server

NEXT = {schema.VERSION: ("ALTER TABLE server ADD COLUMN more TEXT",)}


@pytest.fixture
def fresh(postgres: Server) -> Iterator[Address]:
    """A database of a test's own, whose tables it may change."""
    database = postgres.database()
    yield database
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def columns(database: Address) -> set[str]:
    return {
        name
        for (name,) in database.run("SELECT column_name FROM information_schema.columns WHERE table_name = 'server'")
    }


def test_tables_are_made_once_however_many_begin_at_the_same_time(fresh: Address) -> None:
    def make(_: int) -> int:
        link = Link(fresh.login(), PATIENCE)
        try:
            return schema.make(link)
        finally:
            link.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(8))) == [schema.VERSION] * 8
    assert fresh.run("SELECT version FROM circleci_exporter_schema") == [(schema.VERSION,)]


def test_a_database_of_another_program_is_left_alone(fresh: Address) -> None:
    fresh.run("CREATE TABLE project (title TEXT)")
    with pytest.raises(StartError, match="tables of another program"), linked(fresh):
        pass
    assert fresh.run("SELECT to_regclass('lease') IS NULL") == [(True,)]


def test_an_older_program_refuses_a_newer_database(fresh: Address) -> None:
    with linked(fresh) as link:
        fresh.run("UPDATE circleci_exporter_schema SET version = version + 1")
        for ask in (schema.make, schema.version):
            with pytest.raises(StartError, match=f"has version {schema.VERSION + 1}"):
                ask(link)


def test_a_leader_brings_the_tables_up_to_date(fresh: Address) -> None:
    with linked(fresh) as link:
        guard = fence(link, hold(link))
        for _ in range(2):
            assert schema.migrate(link, guard, NEXT, schema.VERSION + 1)
        assert "more" in columns(fresh)
        assert schema.version(link, schema.VERSION + 1) == schema.VERSION + 1


def test_an_upgrade_may_take_longer_than_any_other_statement(fresh: Address) -> None:
    slow = {schema.VERSION: (*NEXT[schema.VERSION], "SELECT pg_advisory_xact_lock(7)")}
    clock = Clock()
    link = Link(fresh.login(), 1.0, clock)
    with linked(fresh) as other, closing(link), ThreadPoolExecutor(1) as pool:
        guard = fence(other, hold(other))
        other.run("BEGIN", "SELECT pg_advisory_xact_lock(7)")
        upgrade = pool.submit(schema.migrate, link, guard, slow, schema.VERSION + 1)
        wait_until(lambda: waits_for_lock(fresh), why="the slow statement")
        clock.now += 60.0
        clock.wait_for_looks(2)
        assert not upgrade.done()
        other.run("COMMIT")
        assert upgrade.result(PATIENCE)
        assert "more" in columns(fresh)


def test_whoever_has_lost_the_lease_changes_no_table(fresh: Address) -> None:
    with linked(fresh) as link:
        guard = fence(link, hold(link))
        end_lease(fresh)
        hold(link, "two")
        assert not schema.migrate(link, guard, NEXT, schema.VERSION + 1)
        assert "more" not in columns(fresh)


def test_an_upgrade_that_fails_has_changed_nothing(fresh: Address) -> None:
    broken = {schema.VERSION: (*NEXT[schema.VERSION], "ALTER TABLE nowhere ADD COLUMN more TEXT")}
    with linked(fresh) as link:
        guard = fence(link, hold(link))
        with pytest.raises(Exception, match="nowhere"):
            schema.migrate(link, guard, broken, schema.VERSION + 1)
        assert "more" not in columns(fresh)
        assert schema.version(link) == schema.VERSION
        assert schema.migrate(link, guard, NEXT, schema.VERSION + 1)


def counting(database: Address) -> None:
    """Let a project and an organization be counted."""
    database.run("INSERT INTO project (id, server, slug, outcomes) VALUES (1, 's', 'gh/acme/web', '{}')")
    database.run("INSERT INTO ledger (project, facts) VALUES (1, '{}')")
    database.run("INSERT INTO usage_organization (id, server, slug, facts) VALUES (1, 's', 'gh/acme', '{}')")
    database.run("INSERT INTO organization_cell VALUES (1, 'f', 'l', '{}')")
    database.run("INSERT INTO webhook VALUES ('s', 'other', 'accepted', 3)")


def counted(database: Address) -> tuple[int, int, int]:
    """How many ledgers may go on, counters of usage there are, and counts of webhooks."""
    [found] = database.run(
        "SELECT (SELECT count(*) FROM ledger WHERE left_at IS NULL), (SELECT count(*) FROM organization_cell),"
        " (SELECT count(*) FROM webhook)"
    )
    return found[0], found[1], found[2]


def led(link: Link) -> Acquired:
    """The lease as whoever takes it now finds it."""
    table = LeaseTable(link, LEASE)
    acquired = table.acquire(PLACE, "one")
    assert acquired is not None
    guard = fence(link, acquired.hold)
    assert schema.migrate(link, guard)
    schema.forget_if_restored(link, guard)
    begun = table.begin(acquired, 0)
    assert begun is not None
    return begun


def test_the_first_version_is_brought_up_to_date_and_goes_on_counting(fresh: Address) -> None:
    with linked(fresh) as link:
        hold(link)
        counting(fresh)
        back_to_first(fresh)
        end_lease(fresh)
        begun = led(link)
        assert (begun.hold.epoch, begun.commits, begun.lacking) == (2, 0, False)
        assert counted(fresh) == (1, 1, 1)
        made_anew = fresh.run("SELECT column_name FROM information_schema.columns WHERE table_name = 'lease'")
        assert ("begun_epoch",) in made_anew


def restored(fresh: Address, postgres: Server) -> Address:
    """A database with what another had."""
    back = postgres.database()
    postgres.restore(back, postgres.dump(fresh))
    return back


def test_what_was_counted_is_forgotten_once_after_a_dump_was_restored(fresh: Address, postgres: Server) -> None:
    with linked(fresh) as link:
        assert not led(link).lacking
        counting(fresh)
        end_lease(fresh)
        assert not led(link).lacking
        assert counted(fresh) == (1, 1, 1)
        end_lease(fresh)
    back = restored(fresh, postgres)
    with linked(back) as link:
        assert led(link).lacking
        assert counted(back) == (0, 0, 0)
        counting_again = "UPDATE ledger SET left_at = NULL"
        back.run(counting_again)
        link.run(nothing_lacks(link, PLACE))
        end_lease(back)
        assert not led(link).lacking
        assert counted(back) == (1, 0, 0)


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("UPDATE circleci_exporter_schema SET written = txid_current()", False),
        ("UPDATE circleci_exporter_schema SET written = 0", True),
    ],
)
def test_what_is_true_of_a_restored_database_can_be_told_by_hand(
    fresh: Address, postgres: Server, statement: str, lacking: bool
) -> None:
    with linked(fresh):
        counting(fresh)
    back = restored(fresh, postgres)
    back.run(statement)
    with linked(back) as link:
        assert led(link).lacking == lacking
        assert counted(back)[0] == int(not lacking)


def test_whoever_has_lost_the_lease_forgets_nothing(fresh: Address) -> None:
    with linked(fresh) as link:
        guard = fence(link, hold(link))
        counting(fresh)
        fresh.run("UPDATE circleci_exporter_schema SET written = 0")
        end_lease(fresh)
        hold(link, "two")
        schema.forget_if_restored(link, guard)
        assert counted(fresh) == (1, 1, 1)


def test_who_leads_another_shard_is_told_that_a_dump_was_restored(fresh: Address) -> None:
    with linked(fresh) as link:
        other = hold(link, "other", Place("another server", 0, 1))
        fresh.run("UPDATE circleci_exporter_schema SET written = 0")
        assert led(link).lacking
        renewed = LeaseTable(link, LEASE).renew(other, None)
        assert renewed is not None
        assert renewed.lacking
