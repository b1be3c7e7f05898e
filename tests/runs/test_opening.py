from __future__ import annotations

from dataclasses import replace

from exporter.runs import labels_of
from exporter.runs.counters import Distribution
from exporter.runs.counting import JOB_DURATION, JOB_RUNS, JOB_WAIT
from exporter.runs.opening import begun, fitted
from tests.runs.job_lists import job
from tests.runs.making import ledger, polled
from tests.runs.making import run as insights_run
from tests.runs.watched import NOW, Watched, pipeline, run
from tests.samples import project

ANY = labels_of(project("branches: ['*']"), "main")
DONE = {1: [job("build", 5, 60)]}


def test_other_buckets_begin_their_histogram_at_0_and_nothing_else() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 100)], DONE)
    watched.settle()
    assert watched.ledger is not None
    assert watched.live is not None
    asked = project("collectors: [pipelines]\nruns: {buckets: [1m]}\npipelines: {wait_buckets: [2s, 4s]}")
    watched.ledger, watched.live = fitted(watched.ledger, watched.live, asked, ANY, watched.now)
    assert watched.value(JOB_DURATION, "main", "build", "build") == Distribution((0, 0))
    assert watched.value(JOB_WAIT, "main", "build", "build") == Distribution((0, 0, 0))
    assert watched.value(JOB_RUNS, "main", "build", "success", "build") == 1
    counters = watched.counters()
    assert (counters.counted.buckets, counters.counted.seconds, counters.counted.runs["success"]) == ((0, 0), 0, 1)
    assert counters.exemplars == ()


def test_switching_to_pipelines_keeps_the_counts_and_begins_the_durations_anew() -> None:
    before = polled(polled(ledger(), insights_run(1)), at=NOW)
    asked = project("collectors: [pipelines]")
    after, live = fitted(*begun(before, asked, NOW, NOW), asked, ANY, NOW)
    counted = after.workflows["build"].branches["main"].counted
    assert (counted.runs["success"], counted.credits, counted.seconds, sum(counted.buckets)) == (1, 5, 0, 0)
    assert (after.by_stop, live.fresh) == (True, False)


def test_what_fits_stays_the_very_same() -> None:
    watched = Watched()
    assert watched.ledger is not None
    assert watched.live is not None
    again = fitted(watched.ledger, watched.live, watched.project, ANY, NOW)
    assert again[0] is watched.ledger
    assert again[1] is watched.live
    assert replace(again[1]) == watched.live


def test_a_branch_that_is_no_longer_named_is_dropped_and_tags_and_other_branches_stay() -> None:
    watched = Watched(project("collectors: [pipelines]\nbranches: [develop]"))
    for number, of in ((1, {"branch": "develop"}), (2, {"branch": "else"}), (3, {"tag": "v1"}), (4, {})):
        watched.look(pipeline(100 * number, **of), [run("success", 0, 100, number=number)], {number: DONE[1]})
    assert watched.ledger is not None
    assert watched.live is not None
    label = labels_of(project(), "main")
    after, live = fitted(watched.ledger, watched.live, watched.project, label, NOW)
    stay = {"main", "other branches", "all tags"}
    assert after.workflows["build"].branches.keys() == stay
    assert {key.labels[0] for key in live.cells} == stay
    assert live.held == watched.live.held - (watched.live.cells.keys() - live.cells.keys())
    assert fitted(after, live, watched.project, label, NOW) == (after, live)
