from __future__ import annotations

import pytest

from exporter.demo.ledger import Ledger, Place, tallies
from exporter.demo.model import Run

PLACE = Place("gh/acme/web", "build")


def run(name: str, created: float = 0.0, status: str | None = "success", duration: int | None = 60) -> Run:
    return Run(name, "main", created, None if status is None else created + 60, status, duration, 7)


def test_runs_are_kept_in_the_order_of_their_creation() -> None:
    ledger = Ledger()
    for name, created in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        ledger.add(PLACE, run(name, created))
    assert [each.id for each in ledger.runs(PLACE)] == ["a", "b", "c"]


def test_an_id_is_taken_once() -> None:
    ledger = Ledger()
    ledger.add(PLACE, run("a"))
    with pytest.raises(ValueError, match="run a exists"):
        ledger.add(Place("gh/acme/api", "test"), run("a"))


def test_every_change_shows_in_the_version() -> None:
    ledger = Ledger()
    ledger.add(PLACE, run("a", status=None))
    before = ledger.version
    changed = ledger.change("a", status="failed", stopped=9.0)
    assert ledger.version > before
    assert ledger.runs(PLACE) == (changed,)


def test_an_unknown_run_cannot_change() -> None:
    with pytest.raises(KeyError):
        Ledger().change("nothing", status="failed")


def test_workflows_of_a_project_come_in_the_order_of_their_first_run() -> None:
    ledger = Ledger()
    for slug, workflow in (("p", "z"), ("p", "a"), ("q", "b"), ("p", "z")):
        ledger.add(Place(slug, workflow), run(f"{slug}{workflow}{ledger.version}"))
    assert ledger.workflows("p") == ["z", "a"]
    assert ledger.places() == (Place("p", "z"), Place("p", "a"), Place("q", "b"))
    assert ledger.runs(Place("p", "nothing")) == ()


def test_tallies_count_runs_credits_and_durations_by_status() -> None:
    approval = Run("d", "main", 0.0, 1.0, "success", 999, 1, is_approval=True)
    found = tallies(
        (PLACE, each) for each in (run("a"), run("b"), run("c", status="failed"), run("e", duration=None), approval)
    )
    assert [(tally.status, tally.runs, tally.credits, tally.durations) for tally in found] == [
        ("failed", 1, 7, (60,)),
        ("success", 4, 22, (60, 60)),
    ]
