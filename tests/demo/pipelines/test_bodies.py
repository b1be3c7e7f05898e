"""Every endpoint on pipelines, asked over HTTP and held against its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.asking import API, BILLING, NOON, PLATFORM, WEB, all_rows, ask
from tests.insights import schemas

if TYPE_CHECKING:
    from tests.circleci import Circle

JOBS: list[dict[str, Any]] = [
    {"name": "lint", "status": "success", "started": NOON + 2, "stopped": NOON + 20.9},
    {"name": "hold", "type": "approval", "status": "success", "ended": NOON + 30, "dependencies": ["lint"]},
    {"name": "deploy", "status": "canceled", "started": NOON + 31, "stopped": NOON + 60, "dependencies": ["hold"]},
]
BUILD = {"name": "build", "status": "canceled", "stopped": NOON + 50.5, "credits": 7, "jobs": JOBS}


def held(schema: str, circle: Circle, path: str) -> Any:
    answer = ask(circle, path)
    assert answer.status == 200
    assert schemas.problems(schema, answer.json) == []
    return answer.json


def at(circle: Circle, seconds: float) -> None:
    circle.clock.advance(NOON + seconds - circle.clock.now())


def test_every_answer_fits_its_schema_at_every_moment(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB, workflows=[BUILD])
    quiet.pipelines.add(PLATFORM, workflows=[BUILD])
    quiet.pipelines.add(BILLING, tag="v1", state="errored", errors=[["config", "no such orb"]])
    for seconds in range(0, 70, 5):
        at(quiet, seconds)
        for slug in (WEB, PLATFORM, BILLING):
            held("project-pipelines", quiet, f"/project/{slug}/pipeline")
        held("pipelines", quiet, "/pipeline?org-slug=gh/acme")
        held("pipeline", quiet, f"/pipeline/{pipeline.id}")
        (row,) = held("pipeline-workflows", quiet, f"/pipeline/{pipeline.id}/workflow")["items"]
        assert held("workflow", quiet, f"/workflow/{row['id']}") == row
        assert len(held("workflow-jobs", quiet, f"/workflow/{row['id']}/job")["items"]) == 3


def test_pipelines_come_newest_first_twenty_a_page_on_any_branch_unless_one_is_given(quiet: Circle) -> None:
    for index in range(45):
        quiet.pipelines.add(WEB, "develop" if index % 9 else "main", created=NOON - index)
    path = f"/project/{WEB}/pipeline"
    assert len(ask(quiet, path).json["items"]) == 20
    assert [row["number"] for row in all_rows(quiet, path)] == list(range(1, 46))
    assert [row["number"] for row in all_rows(quiet, f"{path}?branch=main")] == [1, 10, 19, 28, 37]
    assert ask(quiet, f"{path}?branch=none").json == {"items": [], "next_page_token": None}


def test_pages_shift_when_a_pipeline_comes_between_them(quiet: Circle) -> None:
    for index in range(25):
        quiet.pipelines.add(WEB, created=NOON - 100 + index)
    path = f"/project/{WEB}/pipeline"
    first = ask(quiet, path).json
    quiet.pipelines.add(WEB)
    second = ask(quiet, f"{path}?page-token={first['next_page_token']}").json["items"]
    assert second[0] == first["items"][-1]


def test_a_page_token_works_with_its_own_question_only(quiet: Circle) -> None:
    for index in range(25):
        quiet.pipelines.add(WEB, created=NOON - index)
        quiet.pipelines.add(API, created=NOON - index)
    token = ask(quiet, f"/project/{WEB}/pipeline").json["next_page_token"]
    assert ask(quiet, f"/project/{WEB}/pipeline?page-token={token}").status == 200
    assert ask(quiet, f"/project/{WEB}/pipeline?branch=main&page-token={token}").status == 400
    assert ask(quiet, f"/project/{API}/pipeline?page-token={token}").status == 400
    assert ask(quiet, f"/pipeline?org-slug=gh/acme&page-token={token}").status == 400


def test_an_organization_lists_the_newest_pipelines_of_projects_that_are_followed(quiet: Circle) -> None:
    for index in range(260):
        quiet.pipelines.add(WEB, created=NOON - 10 * index)
    quiet.pipelines.add(API, created=NOON - 5)
    quiet.pipelines.add(BILLING)
    path = "/pipeline?org-slug=gh/acme"
    rows = all_rows(quiet, path)
    assert (len(rows), [row["project_slug"] for row in rows[:3]]) == (250, [WEB, API, WEB])
    quiet.organization.roster.unfollow(WEB)
    assert [row["project_slug"] for row in ask(quiet, path).json["items"]] == [API]
    assert [row["project_slug"] for row in ask(quiet, "/pipeline").json["items"]] == [BILLING, API]
    quiet.organization.roster.follow(WEB)
    assert ask(quiet, path).json["items"][0]["project_slug"] == WEB


def test_mine_are_the_pipelines_of_the_user_of_the_token(quiet: Circle) -> None:
    quiet.pipelines.add(WEB, actor=ask(quiet, "/me").json["login"], created=NOON - 9)
    quiet.pipelines.add(WEB)
    assert [row["number"] for row in ask(quiet, "/pipeline?mine=true").json["items"]] == [1]
    assert len(ask(quiet, "/pipeline?mine=false").json["items"]) == 2


def test_pipelines_have_milliseconds_and_workflows_and_jobs_whole_seconds(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB, created=NOON + 0.25, workflows=[BUILD])
    at(quiet, 100)
    assert ask(quiet, f"/pipeline/{pipeline.id}").json["created_at"].endswith(":00:00.250Z")
    (row,) = ask(quiet, f"/pipeline/{pipeline.id}/workflow").json["items"]
    assert (row["created_at"][-10:], row["stopped_at"][-10:]) == ("T12:00:00Z"[-10:], "T12:00:50Z"[-10:])
    lint = ask(quiet, f"/workflow/{row['id']}/job").json["items"][0]
    assert (lint["started_at"][-9:], lint["stopped_at"][-9:]) == ("12:00:02Z", "12:00:20Z")


def test_a_branch_or_tag_stands_where_the_kind_of_project_has_it(quiet: Circle) -> None:
    found = {
        (slug, branch, tag): ask(
            quiet, f"/pipeline/{quiet.pipelines.add(slug, branch, tag=tag, source=source).id}"
        ).json
        for slug, branch, tag, source in (
            (WEB, "main", None, "vcs"),
            (WEB, None, "v1", "vcs"),
            (PLATFORM, "main", None, "git"),
            (PLATFORM, None, "v1", "git"),
            (PLATFORM, None, None, "none"),
        )
    }
    assert found[WEB, "main", None]["vcs"].items() >= {"branch": "main"}.items()
    assert "tag" not in found[WEB, "main", None]["vcs"]
    assert found[WEB, None, "v1"]["vcs"].items() >= {"tag": "v1"}.items()
    assert "branch" not in found[WEB, None, "v1"]["vcs"]
    git = found[PLATFORM, "main", None]["trigger_parameters"]["git"]
    assert (git["branch"], git["tag"], git["ref"]) == ("main", "", "refs/heads/main")
    git = found[PLATFORM, None, "v1"]["trigger_parameters"]["git"]
    assert (git["branch"], git["tag"], git["ref"]) == ("", "v1", "refs/tags/v1")
    assert found[PLATFORM, None, None].keys().isdisjoint({"vcs", "trigger_parameters"})


def test_a_workflow_says_what_it_is(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB)
    more: dict[str, Any] = {"setup": True, "auto_rerun_number": 1, "max_auto_reruns": 3, "stopped": NOON}
    workflow = quiet.pipelines.add_workflow(pipeline.id, "setup", "success", **more)
    row = held("workflow", quiet, f"/workflow/{workflow.id}")
    assert (row["tag"], row["auto_rerun_number"], row["max_auto_reruns"]) == ("setup", 1, 3)
    plain = held("workflow", quiet, f"/workflow/{quiet.pipelines.add_workflow(pipeline.id, 'error', 'error').id}")
    assert plain.keys().isdisjoint({"tag", "auto_rerun_number", "max_auto_reruns", "canceled_by"})
    assert "errored_by" in plain


def test_a_failed_workflow_may_come_without_times_and_one_may_stop_before_it_was_created(quiet: Circle) -> None:
    run = {"name": "build", "status": "failed", "created": NOON + 45, "stopped": NOON}
    pipeline = quiet.pipelines.add(WEB, workflows=[run | {"dated": False}, run])
    at(quiet, 60)
    timeless, early = held("pipeline-workflows", quiet, f"/pipeline/{pipeline.id}/workflow")["items"]
    assert (timeless["created_at"], timeless["stopped_at"], timeless["started_by"]) == ("", "", "")
    assert early["stopped_at"] < early["created_at"]
    assert held("workflow", quiet, f"/workflow/{timeless['id']}") == timeless


def test_a_pipeline_whose_configuration_could_not_be_fetched_has_neither_branch_nor_tag(quiet: Circle) -> None:
    errors = [["config-fetch", "Failed to fetch config.yml file."]]
    quiet.pipelines.add(WEB, source="unfetched", state="errored", actor="", errors=errors)
    (row,) = held("project-pipelines", quiet, f"/project/{WEB}/pipeline")["items"]
    assert row["trigger"]["received_at"] == "1970-01-01T00:00:00.000Z"
    assert row["trigger_parameters"]["git"].keys() == {"checkout_sha"}
    assert "vcs" not in row


def test_an_approval_has_neither_number_nor_times(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB, workflows=[BUILD])
    (row,) = quiet.organization.book.given_workflows(pipeline.id)
    at(quiet, 25)
    hold = ask(quiet, f"/workflow/{row.id}/job").json["items"][1]
    assert (hold["status"], hold["started_at"]) == ("on_hold", None)
    at(quiet, 40)
    hold = ask(quiet, f"/workflow/{row.id}/job").json["items"][1]
    assert (hold["status"], hold["started_at"], hold["approval_request_id"]) == ("success", None, hold["id"])
    assert hold.keys().isdisjoint({"job_number", "stopped_at"})
    assert hold["dependencies"] == list(hold["requires"])


def test_jobs_come_twenty_a_page(quiet: Circle) -> None:
    jobs = [{"name": f"job {index}", "status": "queued"} for index in range(45)]
    pipeline = quiet.pipelines.add(WEB, workflows=[{"name": "wide", "jobs": jobs}])
    (row,) = quiet.organization.book.given_workflows(pipeline.id)
    path = f"/workflow/{row.id}/job"
    assert len(ask(quiet, path).json["items"]) == 20
    assert [each["name"] for each in all_rows(quiet, path)] == [f"job {index}" for index in range(45)]


def test_what_belongs_to_a_project_that_is_gone_is_not_found(quiet: Circle) -> None:
    pipeline = quiet.pipelines.add(WEB, workflows=[BUILD])
    (row,) = quiet.organization.book.given_workflows(pipeline.id)
    quiet.organization.roster.hide(WEB)
    paths = (f"/pipeline/{pipeline.id}", f"/workflow/{row.id}", f"/workflow/{row.id}/job")
    assert [ask(quiet, path).status for path in paths] == [404, 404, 404]


@pytest.mark.parametrize("delay", [0, 600])
def test_insights_lists_a_run_by_the_id_of_its_workflow_after_a_delay_and_tags_never(
    quiet: Circle, delay: float
) -> None:
    quiet.organization.delay = delay
    pipeline = quiet.pipelines.add(WEB, workflows=[BUILD, {"name": "build", "insights": False}])
    quiet.pipelines.add(WEB, tag="v1", workflows=[BUILD])
    (row, _) = quiet.organization.book.given_workflows(pipeline.id)
    path = f"/insights/{WEB}/workflows/build?all-branches=true"
    at(quiet, 40 + delay)
    (run,) = ask(quiet, path).json["items"]
    assert (run["id"], run["status"], run["stopped_at"], run["credits_used"]) == (row.id, None, None, 0)
    at(quiet, 49 + delay)
    assert ask(quiet, path).json["items"][0]["status"] is None
    at(quiet, 51 + delay)
    (run,) = ask(quiet, path).json["items"]
    assert (run["id"], run["status"], run["credits_used"], run["duration"]) == (row.id, "canceled", 7, 50)
    assert schemas.problems("runs", ask(quiet, path).json) == []


def test_insights_knows_the_workflows_that_only_pipelines_made(quiet: Circle) -> None:
    quiet.pipelines.add(WEB, workflows=[BUILD | {"created": NOON - 60, "stopped": NOON - 10}])
    assert [row["name"] for row in ask(quiet, f"/insights/{WEB}/workflows").json["items"]] == ["build"]
    (tally,) = quiet.organization.truth()
    assert (tally.workflow, tally.status, tally.credits, tally.durations) == ("build", "canceled", 7, (50,))
