"""What a book makes of what was counted with other settings, and how a project begins."""

from __future__ import annotations

from exporter.counting.cells import Distribution
from exporter.counting.opening import first_look
from exporter.counting.pipeline_book import PipelineBook
from exporter.insights.run_families import JOB_RUN_DURATION, JOB_RUN_WAIT, JOB_RUNS, RUN_DURATION
from exporter.runs.branches import labels_of
from tests.counting.making import counted, ledger, polled
from tests.counting.making import run as insights_run
from tests.counting.watched import NOW, Watched, pipeline, run
from tests.knowledge.samples import project
from tests.runs.job_lists import job

ANY = labels_of(project("branches: ['*']"), "main")
DONE = {1: [job("build", 5, 60)]}
DAY = 86_400.0


def test_other_buckets_begin_their_histogram_at_0_and_nothing_else() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 100)], DONE)
    watched.settle()
    watched.project = project("collectors: [pipelines]\nruns: {buckets: [1m]}\npipelines: {wait_buckets: [2s, 4s]}")
    watched.close(watched.book())
    assert watched.value(JOB_RUN_DURATION, "main", "build", "build") == Distribution((60.0,), (0, 0))
    assert watched.value(JOB_RUN_WAIT, "main", "build", "build") == Distribution((2.0, 4.0), (0, 0, 0))
    assert watched.value(JOB_RUNS, "main", "build", "success", "build") == 1
    assert watched.value(RUN_DURATION, "main", "build") == Distribution((60.0,), (0, 0))
    assert watched.counted().runs["success"] == 1


def test_switching_to_pipelines_and_back_keeps_the_counts_and_begins_the_durations_anew() -> None:
    before = polled(polled(ledger(), insights_run(1)))
    asked = project("collectors: [pipelines]\nruns: {buckets: [60s, 600s]}")
    known, live = first_look(before, 3 * DAY, date=NOW, now=NOW)
    book = PipelineBook(known, live, asked, ANY, now=NOW)
    book.close()
    found = counted(book.ledger)
    assert (found.runs["success"], found.credits, found.seconds, sum(found.buckets)) == (1, 5, 0, 0)
    assert (book.ledger.by_stop, live.fresh) == (True, False)
    after = polled(polled(polled(book.ledger, insights_run(9000)), insights_run(9001)))
    found = counted(after)
    assert (after.by_stop, found.runs["success"], found.seconds, sum(found.buckets)) == (False, 3, 60, 2)


def test_what_fits_stays_the_very_same() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 100)], DONE)
    assert watched.ledger is not None
    before, live = watched.ledger, watched.live
    book = watched.book()
    book.close()
    assert not book.changes
    assert book.ledger == before
    assert book.ledger.cells is before.cells
    assert book.live is live


def test_a_branch_that_is_no_longer_named_is_dropped_and_tags_and_other_branches_stay() -> None:
    watched = Watched(project("collectors: [pipelines]\nbranches: [develop]"))
    for number, of in ((1, {"branch": "develop"}), (2, {"branch": "else"}), (3, {"tag": "v1"}), (4, {})):
        watched.look(pipeline(100 * number, **of), [run("success", 0, 100, number=number)], {number: DONE[1]})
    assert watched.ledger is not None
    held = watched.ledger.cells.held
    watched.project = project("collectors: [pipelines]")
    changes = watched.close(watched.book())
    stay = {"main", "other branches", "all tags"}
    assert watched.ledger.workflows["build"].branches.keys() == stay
    assert {key.labels[0] for key in watched.ledger.cells.values} == stay
    assert watched.ledger.cells.held == {key for key in held if key.labels[0] in stay}
    assert {key.labels[0] for key, cell in changes.cells.items() if cell is None} == {"develop"}
    assert changes.workflows == {"build"}
