"""How often in a row a branch failed and since when, in whatever order its runs end, against the plainest of counts."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.counting import red
from exporter.counting.red import GREEN, MOST, Red, Verdict
from tests.campaigns.effort import effort
from tests.counting.making import NOW, ledger, polled
from tests.counting.making import run as row
from tests.counting.watched import Watched, pipeline, run, uuid
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.runs.live import WatchedPipeline


def verdict(pipeline: int, stop: float, *, failed: bool, attempt: int = 0) -> Verdict:
    """A run of the pipeline that was created at such a time."""
    return Verdict((pipeline, str(pipeline)), pipeline + attempt, f"{pipeline}/{attempt}", failed, stop)


def told(verdicts: Iterable[Verdict]) -> Red:
    known: red.Row = ()
    for each in verdicts:
        known = red.judged(known, each)
        assert red.judged(known, each) is known, "once more it changes nothing"
    return red.of(known)


def plainly(verdicts: Iterable[Verdict]) -> Red:
    """What somebody says who sees everything at the end."""
    failures, since, first = 0, None, ""
    every = list(verdicts)
    for created in sorted({each.pipeline for each in every}, reverse=True):
        attempts = sorted((each for each in every if each.pipeline == created), key=lambda each: each[1:3])
        if not attempts[-1].failed:
            break
        failures += 1
        after = max((number for number, each in enumerate(attempts, 1) if not each.failed), default=0)
        since, first = attempts[after].stopped_at, attempts[after].id
    return Red(failures, since, first)


FATES = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(0, 500)), min_size=1, max_size=4),
    min_size=1,
    max_size=red.SUCCESSES_KEPT,
)


@settings(max_examples=effort(150, 3000))
@given(FATES, st.randoms(use_true_random=False))
def test_whatever_the_order_of_the_ends_it_is_what_somebody_says_who_sees_all(
    fates: list[list[tuple[bool, int]]], random: Random
) -> None:
    every = [
        verdict(100 * number, 100 * number + stop, failed=failed, attempt=attempt)
        for number, attempts in enumerate(fates)
        for attempt, (failed, stop) in enumerate(attempts)
    ]
    random.shuffle(every)
    assert told(every) == plainly(every)


@pytest.mark.parametrize("seed", range(effort(5, 100)))
def test_of_long_rows_it_is_the_same_where_runs_end_about_in_their_order(seed: int) -> None:
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    every = [
        verdict(100 * number, 100 * number + random.uniform(1, 300), failed=random.random() < 0.8, attempt=attempt)
        for number in range(300)
        for attempt in range(random.choice((1, 1, 1, 2, 3)))
    ]
    every.sort(key=lambda each: each.stopped_at)
    known: red.Row = ()
    for number, each in enumerate(every, 1):
        known = red.judged(known, each)
        if number % 50 == 0:
            assert red.of(known) == plainly(every[:number])
    assert sum(not each.failed for each in known) < 30


def test_a_thousand_in_a_row_are_counted_and_no_more_and_it_is_still_red_since_the_first() -> None:
    known: red.Row = ()
    for number in range(MOST + 50):
        known = red.judged(known, verdict(number, number + 5, failed=True))
    assert len(known) == MOST
    assert red.of(known) == Red(MOST, 5, "0/0")
    assert red.of(red.judged(known, verdict(MOST + 60, 0, failed=False))) == GREEN


# As the book is told


def facts(watched: Watched) -> Red:
    return red.of(watched.facts().row)


def of(number: int, **changes: object) -> WatchedPipeline:
    """One of several pipelines, each created 100 s after the one before."""
    return replace(pipeline(number), created_at=CREATED + 100 * number, **changes)  # type: ignore[arg-type]


def test_an_older_pipeline_that_ends_later_does_not_make_green_what_is_red() -> None:
    watched = Watched()
    watched.look(of(2), [run("failed", 200, 300, number=2)], {2: []})
    watched.look(of(1), [run("success", 100, 400, number=1)], {1: []})
    assert facts(watched) == Red(1, CREATED + 300, uuid(2))


def test_a_run_that_is_started_again_makes_its_old_pipeline_green_and_the_row_shorter() -> None:
    watched = Watched()
    for number in (1, 2, 3):
        watched.look(of(number), [run("failed", 100 * number, 100 * number + 50, number=number)], {number: []})
    assert facts(watched) == Red(3, CREATED + 150, uuid(1))
    again = [run("failed", 200, 250, number=2), run("success", 900, 950, number=9)]
    watched.look(of(2), again, {9: []}, after=60)
    assert facts(watched) == Red(1, CREATED + 350, uuid(3))


def test_canceled_and_unauthorized_runs_neither_end_a_row_nor_make_it_longer() -> None:
    watched = Watched()
    for number, status in enumerate(("failed", "canceled", "error", "unauthorized"), 1):
        watched.look(of(number), [run(status, 100 * number, 100 * number + 50, number=number)], {number: []})
    assert facts(watched) == Red(2, CREATED + 150, uuid(1))
    watched.look(of(5), [run("success", 500, 550, number=5)], {5: []})
    assert facts(watched) == GREEN


def test_a_failed_run_that_was_started_again_is_red_since_it_failed_first() -> None:
    watched = Watched()
    attempts = [run("failed", 100, 150, number=1), run("failed", 200, 250, number=2)]
    watched.look(of(1), attempts, {1: [], 2: []})
    assert facts(watched) == Red(1, CREATED + 150, uuid(1))


def test_what_had_failed_before_the_first_look_is_not_counted_and_red_all_the_same() -> None:
    watched = Watched(date=CREATED + 5000)
    watched.look(of(1), [run("failed", 100, 150, number=1)])
    watched.look(of(60), [run("failed", 6000, 6050, number=2)], {2: []})
    watched.settle()
    assert watched.counted().runs["failed"] == 1
    assert facts(watched) == Red(2, CREATED + 150, uuid(1))


@pytest.mark.parametrize("changes", [{"branch": "feature/a"}, {"branch": "", "tag": "v1"}])
def test_branches_without_a_name_of_their_own_are_never_red(changes: dict[str, str]) -> None:
    watched = Watched()
    watched.look(of(1, **changes), [run("failed", 100, 150)], {1: []})
    assert watched.facts("all tags" if "tag" in changes else "other branches").row == ()


def test_a_branch_that_is_no_longer_configured_goes_with_its_row_and_begins_anew() -> None:
    watched = Watched(project("collectors: [pipelines]\nbranches: [develop]"))
    watched.look(of(1, branch="develop"), [run("failed", 100, 150)], {1: []})
    watched.project = project("collectors: [pipelines]")
    watched.settle()
    assert watched.ledger is not None
    assert "develop" not in watched.ledger.workflows["build"].branches
    watched.project = project("collectors: [pipelines]\nbranches: [develop]")
    watched.look(of(2, branch="develop"), [run("failed", 200, 250, number=2)], {2: []})
    assert red.of(watched.facts("develop").row).failures == 1


def test_without_pipelines_a_run_stands_for_itself_by_its_creation() -> None:
    known = polled(ledger(baseline=True), row(1, "failed"), row(3, "failed"))
    known = polled(known, row(2), row(4, "canceled"), row(5, "error"))
    found = red.of(known.workflows["build"].branches["main"].row)
    assert found == Red(2, NOW + 3 + 31.0, "3")
