from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.demo.model import DemoJob, DemoWorkflow, Run
from exporter.demo.pipelines.model import WorkflowJob, seen_jobs
from exporter.demo.pipelines.timeline import NEVER, Finished, jobs_of, requirements

FIVE = tuple(DemoJob(name, 0.2) for name in "abcde")
GATED = (DemoJob("build", 0.4), DemoJob("hold", approval=True), DemoJob("deploy", 0.4))
WIDE = DemoWorkflow("wide", FIVE, seconds=100)
GATE = DemoWorkflow("gate", GATED, seconds=100)
RUN = Run("a run", "main", 1000.0, 1300.0, "success", 299, 5)


def ended(status: str, index: int = 0) -> Run:
    """One that ends like this; each number is another one."""
    return replace(RUN, id=f"run {status} {index}", status=status)


def by_name(jobs: list[WorkflowJob]) -> dict[str, WorkflowJob]:
    return {job.name: job for job in jobs}


def test_jobs_are_a_diamond_and_an_approval_begins_the_next() -> None:
    assert requirements(FIVE) == [(), (0,), (0,), (0,), (1, 2, 3)]
    assert requirements(GATED) == [(), (0,), (1,)]
    assert requirements((*FIVE[:3], *GATED[1:])) == [(), (0,), (1,), (2,), (3,)]
    assert requirements(GATED[1:]) == [(), (0,)]
    assert requirements(()) == []


@pytest.mark.parametrize("workflow", [WIDE, GATE], ids=lambda each: each.name)
def test_a_good_run_is_filled_from_its_creation_to_its_stop(workflow: DemoWorkflow) -> None:
    jobs = jobs_of(workflow, RUN, 100)
    last = max(job.stopped for job in jobs if job.stopped is not None)
    assert last == pytest.approx(RUN.stopped)
    over = {job.id: job.over for job in jobs}
    for job in jobs:
        assert job.status in ("success", "retried")
        for needed in job.dependencies:
            ready = over[needed]
            assert ready is not None
            assert ready <= (job.started if job.started is not None else job.ended or 0.0)
    assert min(job.started for job in jobs if job.started is not None) >= RUN.created


def test_an_approval_takes_the_time_that_a_run_was_held() -> None:
    build, hold, deploy = jobs_of(GATE, replace(RUN, stopped=9000.0), 100)
    assert (hold.type, hold.number, hold.started, hold.stopped) == ("approval", None, None, None)
    assert hold.ended is not None
    assert build.stopped is not None
    assert hold.ended - build.stopped > 7000
    assert (build.number, deploy.number) == (100, 102)


def test_a_run_that_never_ends_is_on_hold_for_ever() -> None:
    jobs = jobs_of(GATE, replace(RUN, stopped=None), 100)
    assert [job.status for job in seen_jobs(jobs, 1e9)] == ["success", "on_hold", "blocked"]
    assert [job.status for job in seen_jobs(jobs, RUN.created)] == ["queued", "blocked", "blocked"]
    assert jobs[1].ended == NEVER


def test_a_failed_run_has_one_broken_job_and_none_that_needs_it() -> None:
    seen = set()
    for index in range(60):
        jobs = by_name(jobs_of(WIDE, ended("failed", index), 100))
        (broken,) = [name for name, job in jobs.items() if job.status in ("failed", "timedout", "infrastructure_fail")]
        seen.add(jobs[broken].status)
        not_run = {name for name, job in jobs.items() if job.status == "not_run"}
        assert not_run == {"a": set("bcde"), "e": set()}.get(broken, {"e"})
        assert all(jobs[name].started is None for name in not_run)
    assert seen >= {"failed", "timedout"}


@pytest.mark.parametrize(
    ("status", "last", "rest"),
    [
        ("canceled", "canceled", "canceled"),
        ("error", "terminated-unknown", "not_run"),
        ("unauthorized", "unauthorized", "not_run"),
    ],
)
def test_each_way_to_end_has_its_jobs(status: str, last: str, rest: str) -> None:
    run = next(run for run in (ended(status, index) for index in range(99)) if _ends_first(run, last))
    jobs = jobs_of(WIDE, run, 100)
    assert [job.status for job in jobs if job.status != "retried"] == [last, *[rest] * 4]
    assert all(job.over is not None and job.over >= (run.stopped or 0) for job in jobs[-4:])


def _ends_first(run: Run, status: str) -> bool:
    return by_name(jobs_of(WIDE, run, 100))["a"].status == status


def test_jobs_of_a_canceled_run_may_stop_after_it() -> None:
    late = [
        job.stopped - RUN.stopped
        for index in range(30)
        for job in jobs_of(WIDE, ended("canceled", index), 100)
        if job.status == "canceled" and job.stopped is not None and RUN.stopped is not None
    ]
    assert 0 < max(late) <= 20


def test_a_job_is_given_up_now_and_then_and_runs_again_under_another_id() -> None:
    jobs = next(jobs for index in range(99) if len(jobs := jobs_of(WIDE, ended("success", index), 100)) == 6)
    (first,) = [job for job in jobs if job.status == "retried"]
    (second,) = [job for job in jobs if job.name == first.name and job is not first]
    assert (second.listed, second.dependencies) == (first.stopped, first.dependencies)
    assert first.stopped is not None
    assert second.started is not None
    assert second.started > first.stopped
    assert len({job.id for job in jobs} | {job.number for job in jobs}) == 12


@pytest.mark.parametrize("same_ids", [True, False])
def test_what_was_finished_is_carried_over_with_its_times(same_ids: bool) -> None:
    before = jobs_of(WIDE, ended("success"), 100)
    finished = Finished(by_name(before), 2, same_ids=same_ids)
    again = jobs_of(WIDE, replace(RUN, id="again", created=5000.0, stopped=5100.0), 200, finished)
    for old, new in zip(before[:2], again[:2], strict=True):
        assert (new.name, new.started, new.stopped, new.number) == (old.name, old.started, old.stopped, old.number)
        assert (new.id == old.id) == same_ids
    assert all(job.started is not None and job.started >= 5000 for job in again[2:])
    assert again[2].dependencies == (again[0].id,)


def test_a_workflow_without_jobs_has_none() -> None:
    assert jobs_of(DemoWorkflow("bare"), ended("failed"), 1) == []
    assert jobs_of(DemoWorkflow("bare"), replace(RUN, stopped=None), 1) == []
