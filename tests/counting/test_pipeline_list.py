from __future__ import annotations

from dataclasses import replace

from exporter.counting.pipeline_list import forget, is_reached, met
from exporter.insights.run_families import PIPELINES_TOTAL
from exporter.runs.pipelines import ListedPipeline
from tests.counting.watched import NOW, Watched, pipeline, run, uuid
from tests.runs.job_lists import CREATED

DAY = 86_400.0


def listed(number: int, after: float = 0.0, state: str = "created") -> ListedPipeline:
    return ListedPipeline(uuid(number), "gh/acme/web", number, state, CREATED + after, "webhook", "main", "")


def meet(watched: Watched, *found: ListedPipeline, walked: bool = True) -> None:
    book = watched.book()
    met(book, found, told_by="pipelines", walked=walked)
    watched.close(book)


def reached(watched: Watched, ahead: float = 0.0, listed_at: float | None = None) -> list[int]:
    assert watched.live is not None
    live = replace(watched.live, listed_at=listed_at)
    return [number for number in (1, 2, 3) if is_reached(live, uuid(number), ahead)]


def test_a_walk_ends_at_what_an_earlier_complete_walk_has_reached() -> None:
    watched = Watched()
    assert reached(watched) == []
    meet(watched, listed(1))
    meet(watched, listed(2), walked=False)
    assert reached(watched) == [1]
    meet(watched, listed(2))
    assert reached(watched) == [1, 2]


def test_a_walk_does_not_end_at_a_pipeline_that_was_new_at_the_walk_before() -> None:
    watched = Watched()
    meet(watched, listed(1), listed(2, 100))
    assert reached(watched, 500, listed_at=CREATED + 130 + 500) == [1]
    assert reached(watched, 0, listed_at=CREATED + 161) == [1, 2]


def test_a_pipeline_that_was_there_at_the_first_look_is_not_counted() -> None:
    watched = Watched(date=CREATED)
    meet(watched, listed(1), listed(2, -5, "errored"), listed(3, 1), listed(4, -5, "pending"))
    watched.settle()
    assert watched.value(PIPELINES_TOTAL, "main", "created", "webhook") == 1
    assert watched.value(PIPELINES_TOTAL, "main", "errored", "webhook") == 0
    meet(watched, listed(4, -5, "errored"))
    watched.settle()
    assert watched.value(PIPELINES_TOTAL, "main", "errored", "webhook") == 1


def test_what_has_ended_is_forgotten_after_the_lookback_and_what_is_under_way_is_not() -> None:
    watched = Watched()
    meet(watched, listed(1), listed(2), listed(3, state="errored"))
    watched.look(pipeline(1), [run("success", 0, 9)], {1: []})
    watched.look(pipeline(2), [run("on_hold", number=2)], {2: []})
    assert watched.live is not None
    assert len(watched.live.pipelines) == 3
    book = watched.book()
    forget(book, 3 * DAY, NOW + 3 * DAY)
    watched.close(book)
    assert set(watched.live.pipelines) == {uuid(2)}
    assert watched.changes.pipelines == {uuid(1): None, uuid(3): None}


def test_a_forgotten_pipeline_that_somebody_tells_of_again_is_not_counted_again() -> None:
    watched = Watched()
    book = watched.book()
    forget(book, 3 * DAY, NOW + 3 * DAY)
    watched.close(book)
    meet(watched, listed(1), walked=False)
    watched.settle()
    assert watched.cell(PIPELINES_TOTAL, "main", "created", "webhook") is None
