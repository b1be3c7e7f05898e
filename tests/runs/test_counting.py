from __future__ import annotations

from exporter.runs.counting import rises_at
from tests.runs.watched import Watched, pipeline, run


def rising(watched: Watched) -> float | None:
    assert watched.ledger is not None
    assert watched.live is not None
    return rises_at(watched.ledger, watched.live, watched.project)


def test_each_series_rises_after_its_own_minute_whatever_was_born_before_it() -> None:
    watched = Watched()
    began = watched.now
    assert rising(watched) is None
    watched.look(pipeline(), [run("success", 0, 9)], {1: []})
    watched.look(pipeline(200, tag="v1"), [run("success", 0, 9, number=2)], {2: []}, after=25)
    assert rising(watched) == began + 60
    watched.settle(35)
    assert (watched.counters().counted.runs["success"], watched.counters("all tags").counted.runs["success"]) == (1, 0)
    assert rising(watched) == began + 85
    watched.settle(25)
    assert watched.counters("all tags").counted.runs["success"] == 1
    assert rising(watched) is None


def test_what_is_published_is_at_0_since_then_and_what_was_shown_before_stays_as_it_was() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 9)], {1: []})
    watched.settle()
    before = watched.counters()
    watched.now += 100
    book = watched.book()
    assert watched.ledger is not None
    book.appear("build", "develop", watched.now)
    book.close()
    book.published(watched.now + 7)
    assert book.ledger.workflows["build"].branches["develop"].born == watched.now + 7
    assert book.ledger.workflows["build"].branches["main"] == before
    assert book.live is watched.live
