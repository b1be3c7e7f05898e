"""A lease says by the clock alone whether it may be relied on, and what is done under it is refused after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StateError
from exporter.process.keeper import Keeper
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.telemetry import Telemetry
from tests.knowledge.samples import NOW
from tests.running.waiting import PATIENCE
from tests.state.making import NOW_LEDGER, SERVER, Log, known, whole
from tests.state.postgres.making import LEASE, PLACE, take_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.process.lease import Lease
    from exporter.state import StateStore
    from tests.running.postgres import Address


class Kept:
    """A lease that was taken once, by a clock that a test moves."""

    def __init__(self, database: Address, place: Place = PLACE, seconds: float = LEASE) -> None:
        self.now, login = 100.0, database.login()
        log: Any = Log()
        log.warning = log.error
        table = LeaseTable(Link(login, PATIENCE), seconds)
        self.keeper = Keeper(table, place, login, log, clock=lambda: self.now)
        assert self.keeper.reach()
        lease = self.keeper.acquire_once()
        assert lease is not None
        self.lease = lease


@pytest.fixture
def kept(database: Address) -> Iterator[Kept]:
    found = Kept(database)
    yield found
    found.keeper.stop()


def opened(lease: Lease) -> StateStore:
    log: Any = Log()
    return lease.open(Telemetry("1", []), log)[0]


@pytest.mark.parametrize(("passed", "holds"), [(0.0, True), (539.9, True), (540.0, False), (1e9, False)])
def test_everything_stops_by_the_clock_once_the_lease_may_be_another_s(
    kept: Kept, passed: float, *, holds: bool
) -> None:
    stop = kept.lease.stop_event()
    kept.now += passed
    assert kept.lease.holds() == holds
    assert stop.is_set() != holds


def test_a_renewal_counts_from_when_it_was_sent(kept: Kept) -> None:
    kept.now += 400.0
    assert kept.keeper._step() == 200.0, "seconds until the next"
    kept.now += 539.9
    assert kept.lease.holds()
    kept.now += 0.1
    assert not kept.lease.holds()


def test_it_is_renewed_at_every_third_and_tried_again_each_second_at_most(kept: Kept, database: Address) -> None:
    assert (kept.lease.pause, kept.lease.retry) == (200.0, 1.0)
    shortest = Kept(database, Place(SERVER, 1, 1), 3.0)
    assert (shortest.lease.pause, shortest.lease.retry) == (1.0, 0.3)
    shortest.keeper.stop()


def test_work_may_be_stopped_while_the_lease_holds(kept: Kept) -> None:
    one, two = kept.lease.stop_event(), kept.lease.stop_event()
    one.set()
    assert (one.is_set(), two.is_set()) == (True, False)


def test_nothing_is_done_under_a_lease_once_it_is_given_back(kept: Kept) -> None:
    kept.keeper.stop()
    assert not kept.lease.holds()


def test_a_commit_after_that_is_not_even_tried(kept: Kept) -> None:
    state = opened(kept.lease)
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    kept.now += 0.9 * LEASE
    with pytest.raises(StateError, match="does not lead"):
        state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.close()


def test_a_commit_under_a_lease_that_another_has_taken_is_refused(kept: Kept, database: Address) -> None:
    state = opened(kept.lease)
    take_over(database)
    with pytest.raises(StateError, match="another replica has taken the lease"):
        state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.close()


def test_what_looks_damaged_to_a_leader_of_the_past_stays(kept: Kept, database: Address) -> None:
    state = opened(kept.lease)
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    database.run("UPDATE ledger SET facts = 'damaged'")
    take_over(database)
    with pytest.raises(StateError, match="another replica has taken the lease"):
        list(state.load())
    with pytest.raises(StateError, match="another replica has taken the lease"):
        state.resume("gh/acme/web", 300.0)
    assert database.run("SELECT count(*) FROM workflow") == [(2,)]
    state.close()


def test_a_shard_takes_care_of_its_own_projects_and_of_every_organization(database: Address) -> None:
    shards = [Kept(database, Place(SERVER, number, 2)) for number in range(2)]
    states = [opened(each.lease) for each in shards]
    slugs = [f"gh/acme/project-{number}" for number in range(8)]
    for slug in slugs:
        states[0].commit(known(slug=slug), [], [])
    database.run("INSERT INTO project (server, slug, outcomes) VALUES (%s, 'gh/acme', '{}')", (SERVER,))
    found = [set(state.slugs()) for state in states]
    assert found[0] & found[1] == {"gh/acme"}
    assert found[0] | found[1] == {*slugs, "gh/acme"}
    assert all(len(each) > 1 for each in found)
    for state, each in zip(states, shards, strict=True):
        state.close()
        each.keeper.stop()


def test_a_ledger_is_kept_for_a_day_while_two_configurations_take_turns(kept: Kept) -> None:
    state = opened(kept.lease)
    kept.keeper.time.measured(NOW, kept.now, kept.now)
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.forget(["gh/acme/web"])
    kept.now += 86_000.0
    kept.lease.sent_at = kept.now
    assert state.resume("gh/acme/web", 300.0)[0] is not None
    state.close()
