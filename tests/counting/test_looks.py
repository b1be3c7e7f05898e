from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.counting import looks
from exporter.counting.cells import Distribution, Exemplar, empty
from exporter.counting.looks import Look
from exporter.insights.run_families import (
    JOB_CRITICAL_PATH,
    JOB_RUN_DURATION,
    JOB_RUN_WAIT,
    JOB_RUNS,
    PIPELINES_TOTAL,
    RUNS_TOTAL,
)
from exporter.runs.live import WatchedPipeline
from tests.counting.watched import Watched, pipeline, remembered, run, uuid
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED, approval, job

DONE = (job("build", 5, 60), job("test", 70, 100, "build", status="failed"))


def test_a_run_under_way_is_watched_with_what_its_jobs_are_at() -> None:
    watched = Watched()
    after = watched.look(
        pipeline(),
        [run("running")],
        {1: [job("build", 5, 60), job("test", None, None, "build", status="queued"), approval("hold", "test")]},
    )
    [watching] = after.runs
    assert (watching.name, watching.status, watching.jobs) == ("build", "running", (("queued", 1),))
    assert (watching.waiting_since, watching.waiting_job) == (CREATED + 60, "test")
    assert after.settled_at is None
    assert watched.counted().runs["success"] == 0
    assert watched.value(JOB_RUNS, "main", "test", "success", "build") == 0
    assert watched.value(JOB_CRITICAL_PATH, "main", "test", "wait", "build") == 0


def test_a_run_counts_once_at_its_end_with_its_duration_and_its_exemplar() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")], {1: []})
    for _ in range(3):
        after = watched.look(after, [run("success", 0, 100.5)], {1: DONE}, after=60)
    found = watched.counted()
    assert (found.runs["success"], found.seconds, sum(found.buckets)) == (1, 100.5, 1)
    assert [each for each in found.histogram.exemplars if each] == [Exemplar(uuid(1), 100.5, CREATED + 100.5)]
    assert after.runs == ()
    assert after.settled_at is not None
    assert remembered(watched, 1)


@pytest.mark.parametrize("times", [(0, None, False), (0, 30, False), (45, 0, True)])
def test_a_run_that_stopped_before_its_creation_or_has_none_counts_without_a_duration(
    times: tuple[float, float | None, bool],
) -> None:
    start, stop, dated = times
    watched = Watched()
    after = watched.look(pipeline(), [replace(run("running"), dated=dated)], {1: []})
    for _ in range(3):
        after = watched.look(after, [replace(run("failed", start, stop), dated=dated)], {1: []}, after=60)
    counted = watched.counted()
    assert (counted.runs["failed"], counted.seconds, sum(counted.buckets)) == (1, 0, 0)
    assert after.runs == ()
    assert remembered(watched, 1)


def test_a_run_without_times_is_past_at_the_first_look_and_counts_where_it_appears_later() -> None:
    watched = Watched(date=CREATED + 5000)
    ended = replace(run("failed"), dated=False)
    after = watched.look(pipeline(), [ended])
    assert remembered(watched, 1)
    assert watched.cell(RUNS_TOTAL, "main", "failed", "build") is None
    watched.look(after, [ended, replace(ended, id=uuid(2))], {2: []}, after=60)
    watched.settle()
    assert watched.counted().runs["failed"] == 1


def test_jobs_of_a_run_whose_creation_is_not_known_count_without_wait_and_path() -> None:
    watched = Watched()
    waiting = [DONE[0], job("test", None, None, "build", status="queued")]
    after = watched.look(pipeline(), [replace(run("running"), dated=False)], {1: waiting})
    assert [each.waiting_since for each in after.runs] == [None]
    watched.look(after, [replace(run("failed", 0, 100), dated=False)], {1: DONE}, after=60)
    watched.settle()
    assert watched.value(JOB_RUNS, "main", "test", "failed", "build") == 1
    ran = watched.value(JOB_RUN_DURATION, "main", "test", "build")
    assert isinstance(ran, Distribution)
    assert ran.sum == 30
    assert watched.value(JOB_RUN_WAIT, "main", "test", "build") == empty(watched.project.pipelines.wait_buckets)
    assert watched.value(JOB_CRITICAL_PATH, "main", "test", "run", "build") == 0


def test_jobs_count_by_their_ids_and_the_path_once_at_the_end() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")], {1: [DONE[0], job("test", 70, status="running")]})
    after = watched.look(after, [run("failed", 0, 100.5)], {1: DONE}, after=60)
    watched.look(after, [run("failed", 0, 100.5)], {1: DONE}, after=60)
    watched.settle()
    assert watched.value(JOB_RUNS, "main", "build", "success", "build") == 1
    assert watched.value(JOB_RUNS, "main", "test", "failed", "build") == 1
    for name, seconds in (("build", 55.0), ("test", 30.0)):
        found = watched.value(JOB_RUN_DURATION, "main", name, "build")
        assert isinstance(found, Distribution)
        assert (sum(found.counts), found.sum) == (1, seconds)
    waits = watched.value(JOB_RUN_WAIT, "main", "test", "build")
    assert isinstance(waits, Distribution)
    assert waits.sum == 10
    path = {
        (name, phase): watched.value(JOB_CRITICAL_PATH, "main", name, phase, "build")
        for name in ("build", "test")
        for phase in ("run", "wait")
    }
    assert path == {("build", "run"): 55, ("build", "wait"): 5, ("test", "run"): 30, ("test", "wait"): 10}


def test_a_rerun_is_another_run_and_its_carried_over_jobs_do_not_count_again() -> None:
    watched = Watched()
    first = watched.look(pipeline(), [run("failed", 0, 100)], {1: DONE})
    assert first.settled_at == watched.now
    again = [run("failed", 0, 100), run("running", 300, number=2)]
    carried = [DONE[0], job("test", 310, None, "build", status="running", identifier="again")]
    after = watched.look(first, again, {2: carried}, after=60)
    assert after.settled_at is None
    again[1] = run("success", 300, 350, number=2)
    watched.look(after, again, {2: [DONE[0], job("test", 310, 340, "build", identifier="again")]}, after=60)
    watched.settle()
    assert watched.counted().runs["failed"] == watched.counted().runs["success"] == 1
    assert watched.value(JOB_RUNS, "main", "build", "success", "build") == 1
    assert watched.value(JOB_RUNS, "main", "test", "success", "build") == 1
    assert watched.value(JOB_CRITICAL_PATH, "main", "test", "wait", "build") == 20


def test_a_canceled_run_counts_when_its_jobs_have_stopped_with_their_last_stop() -> None:
    watched = Watched()
    going = [job("build", 5, None, status="running")]
    after = watched.look(pipeline(), [run("canceled", 0, 0)], {1: going})
    assert [each.jobs for each in after.runs] == [(("running", 1),)]
    assert not remembered(watched, 1)
    after = watched.look(after, [run("canceled", 0, 0)], {1: [job("build", 5, 68, status="canceled")]}, after=30)
    watched.settle()
    assert after.runs == ()
    assert (watched.counted().runs["canceled"], watched.counted().seconds) == (1, 68)


def test_a_canceled_run_counts_as_it_is_after_two_minutes() -> None:
    watched = Watched()
    going = [job("build", 5, None, status="running")]
    after = watched.look(pipeline(), [run("canceled", 0, 10)], {1: going})
    after = watched.look(after, [run("canceled", 0, 10)], {1: going}, after=119)
    assert not remembered(watched, 1)
    watched.look(after, [run("canceled", 0, 10)], {1: going}, after=1)
    watched.settle()
    assert (watched.counted().runs["canceled"], watched.counted().seconds) == (1, 10)


def test_a_run_counts_even_if_its_jobs_cannot_be_read_and_they_count_later() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")])
    after = watched.look(after, [run("success", 0, 100)], after=60)
    assert watched.counted().runs["success"] == 1
    assert [each.counted for each in after.runs] == [True]
    assert after.settled_at is None
    after = watched.look(after, [run("success", 0, 100)], {1: DONE}, after=60)
    watched.settle()
    assert after.runs == ()
    assert watched.counted().runs["success"] == 1
    assert watched.value(JOB_RUNS, "main", "build", "success", "build") == 1


def test_what_had_ended_at_the_first_look_is_remembered_and_not_counted() -> None:
    watched = Watched(date=CREATED + 100)
    watched.look(pipeline(), [run("success", 0, 100), run("running", 50, number=2)], {2: [job("a", 55, 80)]})
    assert remembered(watched, 1)
    assert watched.runs["build"]
    assert watched.counted().runs["success"] == 0
    assert watched.value(JOB_RUNS, "main", "a", "success", "build") == 0


@pytest.mark.parametrize("stop", [1.0, None])
def test_a_canceled_run_had_not_ended_at_the_first_look_if_one_of_its_jobs_had_not(stop: float | None) -> None:
    watched = Watched(date=CREATED)
    canceled, jobs = (
        run("canceled", -30, -1),
        [job("build", -20, stop, status="running" if stop is None else "canceled")],
    )
    look = Look(pipeline(), [canceled, run("canceled", -300, -121, number=2)])
    assert looks.jobs_wanted(look, watched.book(), watched.project) == [canceled]
    after = watched.look(pipeline(), [canceled], {1: jobs})
    assert (len(after.runs), remembered(watched, 1)) == ((1, False) if stop is None else (0, True))
    watched.look(after, [canceled], {1: [job("build", -20, 1, status="canceled")]}, after=60)
    watched.settle()
    assert (watched.counted().runs["canceled"], watched.counted().seconds) == (1, 31)


def test_a_workflow_of_which_nothing_counts_is_in_the_ledger_that_remembers_its_runs() -> None:
    watched = Watched(date=CREATED + 100)
    watched.look(pipeline(), [run("success", 0, 100)])
    assert watched.ledger is not None
    assert "build" in watched.ledger.workflows
    assert watched.changes.workflows == {"build"}


def test_what_was_under_way_at_the_first_look_counts_whole_but_for_jobs_that_had_ended() -> None:
    watched = Watched(date=CREATED + 80)
    jobs = [job("a", 5, 60), job("b", 65, 100, "a")]
    after = watched.look(pipeline(), [run("running")], {1: [jobs[0], job("b", 65, None, "a", status="running")]})
    watched.look(after, [run("success", 0, 101)], {1: jobs}, after=60)
    watched.settle()
    assert watched.value(JOB_RUNS, "main", "a", "success", "build") == 0
    assert watched.value(JOB_RUNS, "main", "b", "success", "build") == 1
    assert watched.value(JOB_CRITICAL_PATH, "main", "a", "run", "build") == 55


def test_a_job_without_a_stop_that_had_ended_at_the_first_look_is_not_counted_and_later_ones_are() -> None:
    watched = Watched(date=CREATED + 100)
    canceled = [job(name, status="canceled") for name in "abc"]
    known = watched.look(pipeline(), [run("running")], {1: [canceled[0], job("b", 5, None, status="running")]})
    watched.look(known, [run("failed", 0, 200)], {1: canceled}, after=60)
    watched.settle()
    assert watched.cell(JOB_RUNS, "main", "a", "canceled", "build") is None
    assert [watched.value(JOB_RUNS, "main", name, "canceled", "build") for name in "bc"] == [1, 1]


def test_a_first_look_at_which_no_jobs_could_be_read_is_not_the_first_at_jobs() -> None:
    watched = Watched(date=CREATED + 100)
    known = watched.look(pipeline(), [run("running")])
    watched.look(known, [run("running")], {1: [job("a", status="canceled")]}, after=60)
    watched.settle()
    assert watched.cell(JOB_RUNS, "main", "a", "canceled", "build") is None


def test_of_a_run_that_began_after_the_first_look_every_job_counts() -> None:
    watched = Watched(date=CREATED - 1)
    watched.look(pipeline(), [run("running")], {1: [job("a", status="canceled")]})
    watched.settle()
    assert watched.value(JOB_RUNS, "main", "a", "canceled", "build") == 1


def test_a_run_that_a_tag_triggered_is_one_of_all_tags_and_waits_for_no_credits() -> None:
    watched = Watched()
    watched.look(pipeline(branch="", tag="v1"), [run("success", 0, 100)], {1: DONE})
    watched.settle()
    assert watched.counted("all tags").runs["success"] == 1
    assert [credited for _, credited in watched.runs["build"].values()] == [True]


def test_a_run_without_branch_and_tag_is_one_of_other_branches() -> None:
    watched = Watched()
    watched.look(pipeline(branch=""), [run("success", 0, 100)], {1: DONE})
    watched.settle()
    assert watched.counted("other branches").runs["success"] == 1


def test_a_run_that_did_not_run_ends_without_counting() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")], {1: []})
    after = watched.look(after, [run("not_run", 0, 5)], after=60)
    assert after.runs == ()
    assert sum(watched.counted().runs.values()) == 0
    assert after.settled_at is not None


def test_a_status_that_nobody_documented_counts_under_its_own_name_at_first() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("melted", 0, 5)], {1: []})
    watched.settle()
    assert watched.counted().runs["melted"] == 1


@pytest.mark.parametrize(("state", "outcome"), [("created", "created"), ("errored", "errored")])
def test_a_pipeline_counts_once_by_its_outcome(state: str, outcome: str) -> None:
    watched = Watched()
    after = watched.look(pipeline(state=state), [run("running")], {1: []})
    watched.look(after, [run("success", 0, 100)], {1: []}, after=60)
    watched.settle()
    assert watched.value(PIPELINES_TOTAL, "main", outcome, "webhook") == 1


def test_a_setup_pipeline_counts_when_it_is_created_or_some_time_after_its_workflows_ended() -> None:
    watched = Watched()
    after = watched.look(pipeline(state="setup"), [run("success", 9_990, 9_999)], {1: []})
    assert not after.counted
    assert after.settled_at is None
    after = watched.look(after, [run("success", 9_990, 9_999)], {}, after=300)
    watched.settle()
    assert after.counted
    assert watched.value(PIPELINES_TOTAL, "main", "created", "webhook") == 1


def test_a_created_pipeline_without_a_workflow_settles_after_five_intervals() -> None:
    watched = Watched(now=CREATED + 299)
    after = watched.look(pipeline(), [])
    assert after.settled_at is None
    assert watched.look(after, [], after=1).settled_at is not None


def test_a_workflow_that_is_not_configured_is_neither_watched_nor_counted() -> None:
    watched = Watched(project("collectors: [pipelines]\nworkflows: {exclude: [build]}"))
    after = watched.look(pipeline(), [run("running")], {1: DONE})
    assert after.runs == ()
    assert watched.ledger is not None
    assert watched.ledger.workflows == {}


def test_a_job_that_is_not_configured_is_not_counted() -> None:
    watched = Watched(project("collectors: [pipelines]\njobs: {exclude: [test]}"))
    watched.look(pipeline(), [run("success", 0, 100)], {1: DONE})
    assert watched.cell(JOB_RUNS, "main", "test", "failed", "build") is None
    assert watched.cell(JOB_CRITICAL_PATH, "main", "test", "run", "build") is None
    assert watched.cell(JOB_RUNS, "main", "build", "success", "build") is not None


def test_without_jobs_only_those_of_canceled_runs_are_asked_for_and_none_counts() -> None:
    watched = Watched(project("collectors: [pipelines]\npipelines: {jobs: false}"))
    runs = [run("running"), run("success", 0, 9, number=2), run("canceled", 0, 9, number=3)]
    assert [each.id for each in looks.jobs_wanted(Look(pipeline(), runs), watched.book(), watched.project)] == [uuid(3)]
    after = watched.look(pipeline(), runs, {3: [job("a", 5, 10, status="canceled")]})
    watched.settle()
    assert [each.id for each in after.runs] == [uuid(1)]
    assert watched.ledger is not None
    assert not [key for key in watched.ledger.cells.values if key.family.startswith("circleci_job")]
    assert watched.value(PIPELINES_TOTAL, "main", "created", "webhook") == 1
    assert watched.counted().runs["canceled"] == watched.counted().runs["success"] == 1


def test_jobs_are_asked_for_of_what_is_under_way_and_of_what_is_about_to_count() -> None:
    watched = Watched(date=CREATED + 4)
    after = watched.look(pipeline(), [run("success", 0, 9, number=4)])
    runs = [
        run("running", number=1),
        run("success", 0, 9, number=2),
        run("success", 0, 3, number=3),
        run("success", 0, 9, number=4),
        run("not_run", 0, 9, number=5),
    ]
    wanted = looks.jobs_wanted(Look(after, runs), watched.book(), watched.project)
    assert [each.id for each in wanted] == [uuid(1), uuid(2), uuid(4)]


def test_a_look_that_learns_nothing_changes_nothing() -> None:
    watched = Watched()
    going = [job("build", 5, None, status="running")]
    after = watched.look(pipeline(), [run("running")], {1: going})
    watched.settle()
    again = watched.look(after, [run("running")], {1: going}, after=60)
    assert not watched.changes
    assert again.looked_at == watched.now


def told_of_its_end(watched: Watched) -> WatchedPipeline:
    """Add the run's end, as an event makes it known while its jobs cannot be read."""
    assert watched.live is not None
    book = watched.book()
    known = watched.live.pipelines[uuid(100)]
    looks.add_run(Look(known, [run("success", 0, 100)]), book, watched.project, watched.now)
    watched.close(book)
    return watched.live.pipelines[uuid(100)]


def test_an_answer_from_before_an_event_does_not_take_back_what_that_told() -> None:
    watched = Watched()
    before = watched.look(pipeline(), [run("running")], {1: []})
    told = told_of_its_end(watched)
    after = watched.look(before, [run("running")], {1: [job("build", 5, None, status="running")]})
    assert after.runs == told.runs
    assert [(each.status, each.counted) for each in after.runs] == [("success", True)]


def test_jobs_that_were_read_before_an_event_told_of_the_end_are_left_alone() -> None:
    watched = Watched()
    known = watched.look(pipeline(), [run("running")], {1: []})
    [expected] = known.runs
    told = told_of_its_end(watched)
    book = watched.book()
    old = Look(known, [run("running")], {uuid(1): [job("build", 5, None, status="running")]})
    assert looks.add_jobs(old, expected, book, watched.project, watched.now) == 0
    assert book.live.pipelines[uuid(100)].runs == told.runs
