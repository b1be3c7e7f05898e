from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.runs.hints import Hint
from exporter.state import StateStore
from exporter.state.postgres.arrivals import Arrivals
from exporter.telemetry import Telemetry
from tests.knowledge.samples import FACTS, NOW
from tests.state.making import SERVER, Log, known
from tests.state.postgres.making import hold, linked, made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.state.postgres.link import Link
    from tests.running.postgres import Address

SLUG, EVENT = "gh/acme/web", "workflow-completed"
ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2))


def hint(workflow: str = ONE, *, ended: bool = True, slug: str = SLUG) -> Hint:
    return Hint(slug, workflow, str(uuid.UUID(int=9)), ended, NOW)


@pytest.fixture
def link(database: Address) -> Iterator[Link]:
    with linked(database) as found:
        yield found


def state(link: Link) -> StateStore:
    return StateStore(made(link, hold(link)), SERVER, Telemetry("1", []), Log(), wall=lambda: NOW)  # type: ignore[arg-type]


def test_the_same_event_at_two_replicas_is_one_hint_in_a_newer_version(link: Link) -> None:
    arrivals, kept = Arrivals(link, SERVER), state(link)
    assert arrivals.arrive(hint(), 10)
    [(first, version)] = kept.hints()
    assert arrivals.arrive(hint(), 10)
    [(second, newer)] = kept.hints()
    assert first == second == hint()
    assert newer > version


def test_a_leader_deletes_only_the_version_that_it_asked_for(link: Link) -> None:
    arrivals, kept = Arrivals(link, SERVER), state(link)
    arrivals.arrive(hint(), 10)
    [(_, version)] = kept.hints()
    arrivals.arrive(hint(), 10)
    kept.drop_hints({hint().id: version})
    [(_, newer)] = kept.hints()
    kept.drop_hints({hint().id: newer})
    assert kept.hints() == []


def test_that_a_run_has_ended_stays_known(link: Link) -> None:
    arrivals, kept = Arrivals(link, SERVER), state(link)
    for ended in (False, True, False):
        arrivals.arrive(hint(ended=ended), 10)
    assert [each.ended for each, _ in kept.hints()] == [True]


def test_no_more_than_so_many_wait(link: Link) -> None:
    arrivals = Arrivals(link, SERVER)
    assert arrivals.arrive(hint(ONE), 1)
    assert not arrivals.arrive(hint(TWO), 1)
    assert arrivals.arrive(hint(ONE), 1)


def test_webhooks_are_counted_by_event_and_result(link: Link) -> None:
    arrivals = Arrivals(link, SERVER)
    arrivals.count({("other", "accepted"): 2, (EVENT, "unsigned"): 1})
    arrivals.count({(EVENT, "unsigned"): 4})
    assert arrivals.totals() == {("other", "accepted"): 2, (EVENT, "unsigned"): 5}
    assert Arrivals(link, "https://circleci.example.com/api/v2").totals() == {}


def test_a_project_is_known_by_what_a_leader_has_learned(link: Link) -> None:
    arrivals, kept = Arrivals(link, SERVER), state(link)
    assert not arrivals.is_kept(SLUG)
    kept.commit(replace(known(), facts=replace(FACTS, id=ONE)), [], [])
    assert arrivals.is_kept(SLUG)
    assert arrivals.slug_of(ONE) == SLUG
    assert arrivals.slug_of(TWO) == ""
