from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.asking import NOON, PLATFORM, WEB, ask, fetch, post

if TYPE_CHECKING:
    from tests.circleci import Circle

LINT: dict[str, Any] = {"name": "lint", "status": "success", "started": NOON + 1, "stopped": NOON + 5}
TEST: dict[str, Any] = {"name": "test", "status": "failed", "dependencies": ["lint"], "started": NOON + 6}


def jobs(circle: Circle, workflow_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(circle, f"/workflow/{workflow_id}/job").json["items"]
    return found


def test_dependencies_are_named_by_name_or_by_id(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB)
    workflow = quiet.pipelines.add_workflow(pipeline.id, "build", jobs=[LINT, TEST])
    lint, test = jobs(quiet, workflow.id)
    assert (lint["dependencies"], test["dependencies"]) == ([], [lint["id"]])
    (deploy,) = quiet.pipelines.add_jobs(workflow.id, [{"name": "deploy", "dependencies": ["test", lint["id"]]}])
    assert deploy.dependencies == (test["id"], lint["id"])


def test_numbers_count_in_each_project_and_ids_are_never_the_same(quiet: Circle) -> None:
    first, second, other = (quiet.pipelines.add(slug) for slug in (WEB, WEB, PLATFORM))
    assert (first.number, second.number, other.number) == (1, 2, 1)
    workflow = quiet.pipelines.add_workflow(second.id, "build", jobs=[LINT, {"name": "ok", "type": "approval"}, TEST])
    assert [each.number for each in quiet.organization.book.given_jobs(workflow.id)] == [1, None, 2]
    ids = [each.id for each in (first, second, other, workflow)]
    assert len(set(ids)) == len(ids)


def test_states_are_moved_by_hand(quiet: Circle) -> None:
    driven = quiet.pipelines
    pipeline = driven.add(WEB, state="pending")
    assert ask(quiet, f"/pipeline/{pipeline.id}").json["state"] == "pending"
    driven.change(pipeline.id, state="created")
    workflow = driven.add_workflow(pipeline.id, "build", jobs=[{"name": "lint", "status": "queued"}])
    assert [row["status"] for row in jobs(quiet, workflow.id)] == ["queued"]
    driven.change_job(workflow.id, "lint", status="running", started=NOON + 1)
    assert [(row["status"], row["started_at"]) for row in jobs(quiet, workflow.id)] == [
        ("running", "2026-09-22T12:00:01Z")
    ]
    driven.change_job(workflow.id, "lint", status="success", stopped=NOON)
    driven.change_workflow(workflow.id, status="success", stopped=NOON)
    assert ask(quiet, f"/workflow/{workflow.id}").json["status"] == "success"
    assert ask(quiet, f"/pipeline/{pipeline.id}").json["state"] == "created"


def test_the_duration_that_insights_lists_is_that_of_the_workflow_unless_it_is_given(quiet: Circle) -> None:
    driven = quiet.pipelines
    pipeline = driven.add(WEB, created=NOON - 100)
    for given in ({}, {"duration": 7}):
        workflow = driven.add_workflow(pipeline.id, "build", created=NOON - 90)
        driven.change_workflow(workflow.id, status="success", stopped=NOON - 30, **given)
    rows = ask(quiet, f"/insights/{WEB}/workflows/build").json["items"]
    assert sorted(row["duration"] for row in rows) == [7, 60]


def test_the_newest_attempt_of_a_job_is_the_one_that_its_name_means(quiet: Circle) -> None:
    driven = quiet.pipelines
    workflow = driven.add_workflow(driven.add(WEB).id, "build", jobs=[TEST | {"status": "retried"}, TEST])
    driven.change_job(workflow.id, "test", status="timedout")
    assert [row["status"] for row in jobs(quiet, workflow.id)] == ["retried", "timedout"]


@pytest.mark.parametrize("same_ids", [True, False])
def test_a_rerun_from_failed_carries_over_what_succeeded_with_its_times(quiet: Circle, same_ids: bool) -> None:
    driven = quiet.pipelines
    pipeline = driven.add(WEB, workflows=[{"name": "build", "status": "failed", "jobs": [LINT, TEST]}])
    (before,) = quiet.organization.book.given_workflows(pipeline.id)
    quiet.clock.advance(600)
    stamp = ask(quiet, f"/pipeline/{pipeline.id}").json["updated_at"]
    again = driven.rerun(before.id, same_ids=same_ids, jobs=[TEST | {"status": "running", "started": NOON + 601}])
    assert (again.name, again.pipeline_id, again.created) == ("build", pipeline.id, NOON + 600)
    assert again.id != before.id
    assert ask(quiet, f"/pipeline/{pipeline.id}").json["updated_at"] == stamp
    (old, _), (lint, test) = jobs(quiet, before.id), jobs(quiet, again.id)
    assert (lint["id"] == old["id"]) == same_ids
    assert (lint["started_at"], lint["stopped_at"]) == (old["started_at"], old["stopped_at"])
    assert test["dependencies"] == [lint["id"]]


def test_a_rerun_from_the_start_carries_nothing_over(quiet: Circle) -> None:
    driven = quiet.pipelines
    pipeline = driven.add(WEB, workflows=[{"name": "build", "status": "success", "jobs": [LINT]}])
    (before,) = quiet.organization.book.given_workflows(pipeline.id)
    again = driven.rerun(before.id, from_failed=False, auto_rerun_number=1, jobs=[{"name": "lint"}])
    assert [row["status"] for row in jobs(quiet, again.id)] == ["blocked"]
    assert ask(quiet, f"/workflow/{again.id}").json["auto_rerun_number"] == 1


def test_the_truth_is_everything_as_it_looks_at_a_time(quiet: Circle) -> None:
    build = {"name": "build", "status": "failed", "stopped": NOON + 9, "jobs": [LINT, TEST | {"stopped": NOON + 9}]}
    quiet.pipelines.add(WEB, workflows=[build])
    quiet.pipelines.add(WEB, created=NOON + 100)
    (pipeline,) = quiet.pipelines.truth(NOON + 6)
    (workflow,) = pipeline["workflows"]
    assert (pipeline["slug"], pipeline["branch"], pipeline["tag"]) == (WEB, "main", None)
    assert (workflow["name"], workflow["status"], workflow["stopped"]) == ("build", "running", None)
    assert [(job["name"], job["status"], job["stopped"]) for job in workflow["jobs"]] == [
        ("lint", "success", NOON + 5),
        ("test", "running", None),
    ]
    assert [each["workflows"][0]["status"] for each in quiet.pipelines.truth(NOON + 9)] == ["failed"]
    assert len(quiet.pipelines.truth(NOON + 100)) == 2


def test_another_process_does_the_same_in_steps_and_is_told_every_id(quiet: Circle) -> None:
    add = ["add", {"slug": WEB, "before": [["setup", NOON + 3]], "workflows": [{"name": "build", "jobs": [LINT]}]}]
    (made,) = post(quiet, "pipelines", {"steps": [add]}).json["made"]
    (workflow,) = made["workflows"]
    (job,) = workflow["jobs"]
    assert ask(quiet, f"/pipeline/{made['id']}").json["state"] == "setup"
    steps = [
        ["add_workflow", {"pipeline_id": made["id"], "name": "deploy", "jobs": [{"name": "ship"}]}],
        ["add_jobs", {"workflow_id": workflow["id"], "jobs": [TEST]}],
        ["change", {"pipeline_id": made["id"], "state": "errored"}],
        ["change_workflow", {"workflow_id": workflow["id"], "status": "failing"}],
        ["change_job", {"workflow_id": workflow["id"], "job": job["id"], "status": "failed"}],
        ["rerun", {"workflow_id": workflow["id"]}],
    ]
    deploy, added, changed, failing, failed, again = post(quiet, "pipelines", {"steps": steps}).json["made"]
    assert [each["name"] for each in deploy["jobs"]] == ["ship"]
    assert [each["name"] for each in added["jobs"]] == ["test"]
    assert [each["name"] for each in changed["workflows"]] == ["build", "deploy"]
    assert (failing["status"], failed["status"], again["name"]) == ("failing", "failed", "build")
    truth = fetch(quiet, f"/_control/pipelines?at={NOON}").json
    assert truth == {"at": NOON, "pipelines": json.loads(json.dumps(quiet.pipelines.truth(NOON)))}
    assert fetch(quiet, "/_control/pipelines").json == truth


@pytest.mark.parametrize(
    "step",
    [
        ["add", {"slug": "gh/acme/none"}],
        ["add", {"slug": WEB, "surprise": 1}],
        ["add_workflow", {"pipeline_id": "none", "name": "build"}],
        ["explode", {}],
    ],
)
def test_a_step_that_cannot_be_done_is_an_error(quiet: Circle, step: list[Any]) -> None:
    answer = post(quiet, "pipelines", {"steps": [step]})
    assert answer.status == 400
    assert "Error" in answer.json["message"]
