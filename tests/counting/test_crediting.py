from __future__ import annotations

from dataclasses import replace

from exporter.counting import crediting
from exporter.counting.asking import start_of, sweep_is_due
from exporter.counting.ledger import WorkflowLedger
from exporter.runs.reading import Run, key_of
from tests.counting.watched import NOW, Watched, pipeline, run, uuid
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED

DAY = 86_400.0


def row(
    number: int, status: str = "success", start: float = 0.0, stop: float | None = 100.0, credits_used: float = 7
) -> Run:
    created = CREATED + start
    stopped = None if stop is None else CREATED + stop
    return Run(
        key_of(uuid(number)), "main", int(created), status, stopped, 3, credits_used, False, uuid(number), created
    )


def sweep(watched: Watched, *rows: Run) -> crediting.Rows:
    book = watched.book()
    known = {key: credited for key, (_, credited) in watched.runs.get("build", {}).items()}
    assert watched.live is not None
    watching = {key_of(each.id) for one in watched.live.pipelines.values() for each in one.runs}
    found = crediting.sorted_rows(rows, "build", known, watching, book)
    crediting.credit(book, "build", found.credits, known)
    for each in found.past:
        book.remember("build", each.key, each.created, credited=True)
    for each in found.unseen:
        crediting.count(book, "build", each)
    watched.close(book)
    return found


def test_credits_are_added_once_when_insights_first_shows_the_ended_run() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 100)], {1: []})
    watched.settle()
    assert sweep(watched, row(1, "", stop=None)).credits == ()
    for _ in range(3):
        sweep(watched, row(1))
    assert (watched.counted().credits, watched.counted().runs["success"]) == (7, 1)


def test_a_run_that_nothing_else_saw_counts_with_stop_less_creation_and_its_credits() -> None:
    watched = Watched()
    for _ in range(2):
        sweep(watched, row(1, stop=99.75))
    watched.settle()
    counted = watched.counted()
    assert (counted.runs["success"], counted.seconds, counted.credits) == (1, 99.75, 7)


def test_a_run_that_is_watched_is_left_to_its_looks() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("running")], {1: []})
    assert sweep(watched, row(1)) == crediting.Rows((), (), (), ())


def test_a_run_that_had_ended_at_the_first_look_is_remembered_by_whoever_tells_of_it() -> None:
    watched = Watched(date=CREATED + 100)
    assert len(sweep(watched, row(1)).past) == 1
    assert sweep(watched, row(1), row(2, stop=101)).past == ()
    watched.settle()
    assert watched.counted().runs["success"] == 1


def test_where_runs_were_counted_before_what_they_do_not_hold_is_counted() -> None:
    fresh = Watched()
    assert fresh.ledger is not None
    known = WorkflowLedger(int(CREATED - DAY), floor=int(CREATED - 50), polled_at=NOW)
    watched = Watched(ledger=replace(fresh.ledger, workflows={"build": known}), date=CREATED + 500)
    sweep(watched, row(1), row(2, start=-100))
    watched.settle()
    assert watched.counted().runs["success"] == 1


def swept(watched: Watched, *rows: Run, start: int, now: float) -> WorkflowLedger:
    book = watched.book()
    book.read("build", [each.created_at for each in rows], now=now, start=start)
    watched.close(book)
    assert book.changes.floors == {"build": book.ledger.workflows["build"].floor}
    return book.ledger.workflows["build"]


def test_a_sweep_moves_the_floor_of_what_is_remembered() -> None:
    watched = Watched(project("collectors: [pipelines]\nruns: {lookback: 1d}"))
    after = swept(watched, row(1), row(2, start=50), start=5, now=NOW)
    assert (after.newest, after.floor, after.polled_at, after.swept_at) == (int(CREATED + 50), 5, NOW, NOW)
    assert swept(watched, start=int(CREATED), now=NOW + 60).floor == int(CREATED + 50 - DAY)


def test_with_a_clock_that_is_days_ahead_the_first_run_that_insights_lists_late_is_still_asked_for() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("running")], {1: []})
    assert watched.ledger is not None
    ahead = NOW + 9 * DAY
    after = swept(watched, start=int(CREATED), now=ahead)
    assert start_of(after, ahead, DAY) == watched.ledger.began
    assert not sweep_is_due(after, ahead, 3600)


def test_a_workflow_that_insights_does_not_list_stays_while_it_runs() -> None:
    watched = Watched()
    assert watched.ledger is not None
    workflows = {
        "lately": WorkflowLedger(0, newest=int(NOW - DAY)),
        "gone": WorkflowLedger(0, newest=int(NOW - 91 * DAY)),
        "forgotten": WorkflowLedger(0, unlisted_at=NOW - 91 * DAY),
    }
    watched.ledger = replace(watched.ledger, workflows=workflows)
    book = watched.book()
    book.list_names(["new"], NOW)
    named = book.ledger
    assert {name: each.unlisted_at for name, each in named.workflows.items()} == {
        "lately": None,
        "gone": NOW,
        "new": None,
    }
    assert named.names_at == NOW
