"""What a reign may do is a question of its lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import StateError
from exporter.replicas import Keeper, SharedState
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.telemetry import Telemetry
from tests.samples import NOW
from tests.state.making import NOW_LEDGER, SERVER, Log, known, whole
from tests.state.postgres.making import PLACE, end_lease, hold, linked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.state import StateStore
    from exporter.state.postgres.lease_table import Taken
    from tests.postgres import Address

LEASE = 30.0


class Kept:
    """A lease that was taken once, by a clock that a test moves."""

    def __init__(self, database: Address, place: Place = PLACE) -> None:
        self.now, self._login = 100.0, database.login()
        log: Any = Log()
        log.warning = log.error
        self.keeper = Keeper(LeaseTable(Link(self._login, 5.0), LEASE), place, log, clock=lambda: self.now)
        self.taken: list[Taken] = []
        self.keeper.taken = self.taken.append
        assert self.keeper.reach()
        assert self.keeper.take()

    def shared(self) -> SharedState:
        return SharedState(self.keeper, self.taken[0], self._login, LEASE)


@pytest.fixture
def kept(database: Address) -> Iterator[Kept]:
    found = Kept(database)
    yield found
    found.keeper.stop()


def opened(shared: SharedState) -> StateStore:
    log: Any = Log()
    return shared.open(Telemetry("1", []), log)[0]


def test_everything_stops_by_the_clock_once_the_lease_may_be_another_s(kept: Kept) -> None:
    shared = kept.shared()
    assert shared.leads()
    assert not shared.ended.is_set()
    kept.now += 0.9 * LEASE
    assert not shared.leads()
    assert shared.ended.is_set()
    kept.now -= 1.0
    shared.ended.set()
    assert shared.ended.is_set()


def test_a_commit_after_that_is_not_even_tried(kept: Kept) -> None:
    state = opened(kept.shared())
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    kept.now += 0.9 * LEASE
    with pytest.raises(StateError, match="does not lead"):
        state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.close()


def test_a_commit_under_a_lease_that_another_has_taken_is_refused(kept: Kept, database: Address) -> None:
    state = opened(kept.shared())
    end_lease(database)
    with linked(database) as link:
        hold(link, "another")
    with pytest.raises(StateError, match="another replica has taken the lease"):
        state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.close()


def test_what_looks_damaged_to_a_leader_of_the_past_stays(kept: Kept, database: Address) -> None:
    state = opened(kept.shared())
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    database.run("UPDATE ledger SET facts = 'damaged'")
    end_lease(database)
    with linked(database) as link:
        hold(link, "another")
    with pytest.raises(StateError, match="another replica has taken the lease"):
        list(state.load())
    with pytest.raises(StateError, match="another replica has taken the lease"):
        state.resume("gh/acme/web", 300.0)
    assert database.run("SELECT count(*) FROM workflow") == [(2,)]
    state.close()


def test_a_shard_takes_care_of_its_own_projects_and_of_every_organization(database: Address) -> None:
    shards = [Kept(database, Place(SERVER, number, 2)) for number in range(2)]
    states = [opened(each.shared()) for each in shards]
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
    state = opened(kept.shared())
    kept.keeper.wall.measured(NOW, kept.now, kept.now)
    state.commit_counts(known(ledger=NOW_LEDGER), whole())
    state.forget(["gh/acme/web"])
    kept.now += 86_000.0
    kept.keeper.tenure = kept.keeper.tenure and kept.keeper.tenure.renewed(kept.now)
    assert state.resume("gh/acme/web", 300.0)[0] is not None
    state.close()
