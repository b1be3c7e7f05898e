"""What lacks commits counts anew from 0, each process its own; nothing of what it has is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StateError
from exporter.state import StateStore
from tests.knowledge.samples import NOW
from tests.state.making import NOW_LEDGER, SERVER, Log, known, whole
from tests.state.postgres.making import hold, linked, made

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.state.postgres.link import Link
    from tests.running.postgres import Address

OLDER = "the database is older than the one used last; run counters start at 0"
MINE, ANOTHERS = "gh/acme/web", "gh/acme/api"


def state(link: Link, log: Log, mine: Callable[[str], bool] = lambda _: True, server: str = SERVER) -> StateStore:
    shared = made(link, hold(link))
    anything: Any = log
    return StateStore(shared, server, shared._telemetry, anything, wall=lambda: NOW, mine=mine)


def ledgers(found: StateStore) -> dict[str, bool]:
    return {stored.slug: stored.ledger is not None for stored in found.load()}


def lack(database: Address) -> None:
    database.run("UPDATE lease SET until = 0, lacking = TRUE")


@pytest.mark.parametrize("first", [True, False])
def test_each_shard_forgets_its_own_projects_and_the_first_one_usage(database: Address, *, first: bool) -> None:
    with linked(database) as link:
        log, elsewhere = Log(), "https://circleci.example.com/api/v2"
        for server in (SERVER, elsewhere):
            before = state(link, log, server=server)
            for slug in (MINE, ANOTHERS):
                before.commit_counts(known(slug=slug, ledger=NOW_LEDGER), whole())
            before.usage.write("gh/acme", {"exports": 3})
            database.run("UPDATE lease SET until = 0")
        lack(database)
        after = state(link, log, lambda slug: slug == MINE if slug else first)
        assert log.told() == [OLDER]
        assert after._telemetry.state_older._value.get() == 1
        assert ledgers(after) == {MINE: False}
        facts = [
            facts for (facts,) in database.run("SELECT facts FROM usage_organization ORDER BY server = %s", [SERVER])
        ]
        assert ["uncounted" in each for each in facts] == [False, first]
        database.run("UPDATE lease SET until = 0")
        again, other = state(link, log), state_of_another_server(link, log, database, elsewhere)
        assert ledgers(again) == {MINE: False, ANOTHERS: True}
        assert ledgers(other) == {MINE: True, ANOTHERS: True}
        assert log.told() == [OLDER], "once"


def state_of_another_server(link: Link, log: Log, database: Address, server: str) -> StateStore:
    database.run("UPDATE lease SET until = 0")
    return state(link, log, server=server)


def test_what_cannot_be_forgotten_in_a_database_is_not_read_at_all(database: Address) -> None:
    with linked(database) as link:
        log = Log()
        state(link, log).commit_counts(known(ledger=NOW_LEDGER), whole())
        lack(database)
        database.run("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''kept''; END'")
        database.run("CREATE TRIGGER kept BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION fail()")
        try:
            with pytest.raises(StateError, match="kept"):
                state(link, log)
        finally:
            database.run("DROP FUNCTION fail CASCADE")
        database.run("UPDATE lease SET until = 0")
        assert ledgers(state(link, log)) == {MINE: False}
