from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.state.postgres import schema
from exporter.state.postgres.lease_table import fence
from exporter.state.postgres.link import Link
from tests.state.postgres.making import end_lease, hold, linked
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Address, Server

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
    slow = {schema.VERSION: (*NEXT[schema.VERSION], "SELECT pg_sleep(1.3)")}
    with linked(fresh):
        pass
    with linked(fresh, 1.0) as link:
        assert schema.migrate(link, fence(link, hold(link)), slow, schema.VERSION + 1)
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
