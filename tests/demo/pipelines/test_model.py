from __future__ import annotations

from typing import Any

import pytest

from exporter.demo.pipelines.model import DemoPipeline, PipelineWorkflow, WorkflowJob, seen_jobs

LINT = WorkflowJob("1", "lint", "success", number=1, started=2, stopped=10)
TEST = WorkflowJob("2", "test", "success", number=2, started=12, stopped=30, dependencies=("1",))
HOLD = WorkflowJob("3", "hold", "success", type="approval", dependencies=("2",), ended=50)
DEPLOY = WorkflowJob("4", "deploy", "success", number=3, started=55, stopped=60, dependencies=("3",))
CHAIN = (LINT, TEST, HOLD, DEPLOY)


def statuses(at: float, *jobs: WorkflowJob, queued: bool = False) -> list[str]:
    return [job.status for job in seen_jobs(jobs or CHAIN, at, queued=queued)]


def workflow(**more: Any) -> PipelineWorkflow:
    return PipelineWorkflow(**{"id": "w", "pipeline_id": "p", "name": "build", "created": 0, **more})


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, "queued blocked blocked blocked"),
        (2, "running blocked blocked blocked"),
        (10, "success queued blocked blocked"),
        (12, "success running blocked blocked"),
        (30, "success success on_hold blocked"),
        (50, "success success success queued"),
        (59.9, "success success success running"),
        (60, "success success success success"),
    ],
)
def test_a_job_waits_for_its_dependencies_then_for_its_start_then_runs(at: float, expected: str) -> None:
    assert statuses(at) == expected.split()


def test_what_has_not_started_has_no_times_and_no_number_and_what_runs_has_no_stop() -> None:
    waiting, running = seen_jobs((TEST,), 11)[0], seen_jobs((TEST,), 12)[0]
    assert (waiting.started, waiting.stopped, waiting.number) == (None, None, None)
    assert (running.started, running.stopped, running.number) == (12, None, 2)


def test_what_never_starts_is_over_at_its_end() -> None:
    canceled = WorkflowJob("5", "canceled in the queue", "canceled", ended=20)
    assert [statuses(at, canceled) for at in (19, 20)] == [["queued"], ["canceled"]]
    assert statuses(0, WorkflowJob("6", "always so", "not_run")) == ["not_run"]


def test_a_further_attempt_is_listed_when_the_one_before_is_given_up() -> None:
    first = WorkflowJob("1", "test", "retried", number=1, started=1, stopped=10)
    second = WorkflowJob("2", "test", "success", number=2, started=12, stopped=20, listed=10)
    assert [statuses(at, first, second) for at in (9, 10, 12, 20)] == [
        ["running"],
        ["retried", "queued"],
        ["retried", "running"],
        ["retried", "success"],
    ]


@pytest.mark.parametrize("status", ["running", "queued", "not_running", "on_hold", "blocked", "a status of tomorrow"])
def test_a_status_that_is_not_final_stands_until_it_is_changed(status: str) -> None:
    job = WorkflowJob("1", "test", status, number=7, started=5)
    assert seen_jobs((job,), 1) == [job]
    run = workflow(status=status)
    assert run.seen(1e9, ()) == run


def test_a_workflow_is_what_its_jobs_make_of_it_until_it_has_ended() -> None:
    run = workflow(status="success", stopped=60)
    assert [run.seen(at, seen_jobs(CHAIN, at)).status for at in (0, 12, 30, 49, 50, 60)] == [
        "running",
        "running",
        "on_hold",
        "on_hold",
        "running",
        "success",
    ]
    assert run.seen(59, ()).stopped is None
    assert run.seen(60, ()) == run


def test_a_workflow_in_which_a_job_failed_while_others_run_is_failing() -> None:
    failed = WorkflowJob("1", "lint", "failed", number=1, started=1, stopped=5)
    slow = WorkflowJob("2", "test", "success", number=2, started=1, stopped=20)
    run = workflow(status="failed", stopped=20)
    assert [run.seen(at, seen_jobs((failed, slow), at)).status for at in (4, 5, 20)] == ["running", "failing", "failed"]


def test_a_workflow_in_a_serial_group_is_queued_first_and_its_jobs_are_blocked() -> None:
    run = workflow(status="success", stopped=60, queued_until=1)
    assert [run.seen(at, ()).status for at in (0.5, 1)] == ["queued", "running"]
    assert statuses(0.5, queued=True) == ["blocked"] * 4


def test_jobs_of_a_canceled_workflow_can_stop_after_it() -> None:
    job = WorkflowJob("1", "test", "canceled", number=1, started=1, stopped=30)
    run = workflow(status="canceled", stopped=10)
    assert run.seen(10, seen_jobs((job,), 10)).status == "canceled"
    assert statuses(10, job) == ["running"]


def test_a_pipeline_goes_through_its_earlier_states() -> None:
    pipeline = DemoPipeline("p", "gh/a/b", 1, 0, before=(("setup-pending", 2), ("setup", 9)))
    assert [pipeline.seen(at).state for at in (1, 2, 8, 9)] == ["setup-pending", "setup", "setup", "created"]
