from __future__ import annotations

from exporter.counting.book import rises_at
from tests.counting.watched import Watched, pipeline, run


def rising(watched: Watched) -> float | None:
    assert watched.ledger is not None
    return rises_at(watched.ledger, watched.project)


def test_each_series_rises_after_its_own_minute_whatever_was_born_before_it() -> None:
    watched = Watched()
    began = watched.now
    assert rising(watched) is None
    watched.look(pipeline(), [run("success", 0, 9)], {1: []})
    watched.look(pipeline(200, tag="v1"), [run("success", 0, 9, number=2)], {2: []}, after=25)
    assert rising(watched) == began + 60
    watched.settle(35)
    assert (watched.counted().runs["success"], watched.counted("all tags").runs["success"]) == (1, 0)
    assert rising(watched) == began + 85
    watched.settle(25)
    assert watched.counted("all tags").runs["success"] == 1
    assert rising(watched) is None


def test_what_is_published_is_at_0_since_then_and_what_was_shown_before_stays_as_it_was() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 9)], {1: []})
    watched.settle()
    assert watched.ledger is not None
    before = watched.ledger.cells.values
    watched.now += 100
    book = watched.book()
    book.appear("build", "develop", watched.now)
    book.close()
    book.published(watched.now + 7)
    after = book.ledger.cells.values
    assert {after[key].born for key in after.keys() - before.keys()} == {watched.now + 7}
    assert {key: after[key] for key in before} == before
    assert book.live is watched.live
