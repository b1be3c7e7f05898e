from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.demo.catalog import builtin
from exporter.demo.generated import Stream
from exporter.demo.pipelines.book import PipelineBook
from exporter.demo.pipelines.generated import Plan, make, plans_of_day
from exporter.demo.pipelines.model import JOB_ENDED
from tests.demo.asking import DAY, NOON, PLATFORM, WEB

if TYPE_CHECKING:
    from exporter.demo.model import DemoProject, DemoWorkflow, Run

TODAY = int(NOON // DAY)
PROJECTS = {project.slug: project for project in builtin(1)}


def ran(project: DemoProject, day: int, pace: float = 60.0) -> list[tuple[DemoWorkflow, Run]]:
    return [
        (workflow, run)
        for workflow in project.workflows
        for run in Stream(1, project, workflow, NOON - 10 * DAY, pace).day(day)
    ]


def plans(slug: str, day: int = TODAY, first_number: int = 1) -> list[Plan]:
    return plans_of_day(PROJECTS[slug], ran(PROJECTS[slug], day), first_number)


@pytest.fixture(scope="module")
def book() -> PipelineBook:
    """A busy day of two projects."""
    book = PipelineBook()
    for slug in (WEB, PLATFORM):
        for plan in plans(slug):
            make(book, PROJECTS[slug], plan)
    return book


def test_every_run_is_a_workflow_of_a_pipeline_by_its_id_with_its_branch_and_times(book: PipelineBook) -> None:
    for slug in (WEB, PLATFORM):
        for workflow, run in ran(PROJECTS[slug], TODAY):
            found = book.given_workflow(run.id)
            pipeline = book.given_pipeline(found.pipeline_id)
            assert (found.name, found.created, found.status) == (workflow.name, run.created, run.status)
            assert run.stopped is None or found.stopped == run.stopped
            assert (pipeline.slug, pipeline.branch) == (slug, run.branch)
            assert pipeline.created < found.created
            assert found.shown is None  # Insights has the run itself


def test_a_day_is_the_same_however_often_it_is_made(book: PipelineBook) -> None:
    again = PipelineBook()
    for plan in plans(WEB):
        make(again, PROJECTS[WEB], plan)
    for pipeline in again.every():
        assert book.given_pipeline(pipeline.id) == pipeline
        assert book.given_workflows(pipeline.id) == again.given_workflows(pipeline.id)


def test_numbers_follow_the_order_of_creation() -> None:
    found = plans(WEB, first_number=700)
    assert [plan.number for plan in found] == list(range(700, 700 + len(found)))
    assert [plan.created for plan in found] == sorted(plan.created for plan in found)


def test_job_numbers_are_those_of_one_job_each(book: PipelineBook) -> None:
    for slug in (WEB, PLATFORM):
        numbers: dict[int | None, float | None] = {}
        for pipeline in book.newest(slug, 1e12):
            for workflow in book.given_workflows(pipeline.id):
                for job in book.given_jobs(workflow.id):
                    if job.type == "build":
                        assert numbers.setdefault(job.number, job.started) == job.started
        assert len(numbers) > 1000


def test_every_kind_of_pipeline_and_trigger_is_there(book: PipelineBook) -> None:
    pipelines = book.every()
    known = {"webhook", "api", "explicit", "scheduled_pipeline", "schedule", "Decoupled Ingestion System"}
    assert {each.trigger for each in pipelines} == known
    assert {each.actor for each in pipelines if each.trigger == "schedule"} == {"Scheduled"}
    assert {each.branch for each in pipelines if each.source == "unfetched"} == {None}
    states = Counter(each.state for each in pipelines)
    assert 0 < states["errored"] < 0.1 * states["created"]
    for each in pipelines:
        workflows = book.given_workflows(each.id)
        assert (each.tag is None) or (each.branch is None)
        assert bool(each.errors) == (each.state == "errored")
        assert not (each.state == "errored" and workflows)
    assert any(each.tag for each in pipelines)
    assert any(each.state == "created" and not book.given_workflows(each.id) for each in pipelines)
    assert {each.source for each in pipelines if each.slug == PLATFORM} == {"git"}


def test_setup_pipelines_have_a_setup_workflow_before_the_others(book: PipelineBook) -> None:
    found = [each for each in book.newest(PLATFORM, 1e12) if len(each.before) == 2]
    assert found
    for pipeline in found:
        setup, *others = book.given_workflows(pipeline.id)
        assert (setup.name, setup.setup, setup.status) == ("setup", True, "success")
        assert setup.stopped is not None
        assert all(setup.stopped <= other.created for other in others)
        assert [pipeline.seen(at).state for at in (pipeline.created, setup.created, others[0].created)] == [
            "setup-pending",
            "setup",
            "created",
        ]


def test_a_failed_run_is_run_again_in_its_old_pipeline(book: PipelineBook) -> None:
    ids = Counter[bool]()
    automatic = 0
    for pipeline in book.newest(WEB, 1e12):
        attempts = book.given_workflows(pipeline.id)
        for before, again in itertools.pairwise(attempts):
            assert (before.status, before.name) == ("failed", again.name)
            assert (before.stopped or 0) < again.created
            automatic += again.auto_rerun_number is not None
            old = {job.id for job in book.given_jobs(before.id)}
            for job in book.given_jobs(again.id):
                if job.stopped is not None and job.stopped < again.created:
                    ids[job.id in old] += 1
    assert set(ids) == {True, False}
    assert automatic > 0


def test_some_wait_in_a_serial_group_and_their_jobs_start_after_it(book: PipelineBook) -> None:
    waiting = [
        workflow
        for pipeline in book.every()
        for workflow in book.given_workflows(pipeline.id)
        if workflow.queued_until is not None
    ]
    assert {workflow.name for workflow in waiting} == {"deploy", "apply"}
    for workflow in waiting:
        starts = [job.started for job in book.given_jobs(workflow.id) if job.started is not None]
        assert all(start >= (workflow.queued_until or 0) for start in starts if start >= workflow.created)


def test_every_status_that_is_documented_is_seen_at_one_time_or_another(book: PipelineBook) -> None:
    workflows, jobs = Counter[str](), Counter[str]()
    for minute in range(0, 24 * 60, 7):
        at = TODAY * DAY + minute * 60.0
        for pipeline in book.newest(WEB, at)[:60]:
            for workflow in book.workflows(pipeline.id, at):
                workflows[workflow.status] += 1
                jobs.update(job.status for job in book.jobs(workflow.id, at))
    under_way = {"running", "failing", "on_hold", "queued"}
    assert set(workflows) == under_way | {"success", "failed", "error", "canceled", "unauthorized"}
    assert set(jobs) == {*JOB_ENDED, "running", "queued", "on_hold", "blocked"} - {"error"}


def test_a_project_without_workflows_has_no_pipelines() -> None:
    project = replace(PROJECTS[WEB], workflows=())
    assert plans_of_day(project, [], 1) == []
