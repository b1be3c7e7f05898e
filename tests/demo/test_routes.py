"""Every endpoint, asked over HTTP and held against its schema."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from exporter.demo.catalog import builtin
from exporter.demo.organization import ALL_BRANCHES
from exporter.demo.routes import ROUTES
from exporter.demo.times import written
from tests.demo.asking import API, BILLING, DAY, MOBILE, NOON, ODD, PLATFORM, WEB, WEEK, all_rows, ask, fetch
from tests.insights import schemas
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.circleci import Circle

NOWHERE = "00000000-0000-4000-a000-000000000000"
SLUGS = (WEB, API, MOBILE, ODD, BILLING, PLATFORM)
TRIED_WITH_PIPELINES = {"project-pipelines", "pipeline", "pipeline-workflows", "workflow", "workflow-jobs"}
"""By the tests of what answers for pipelines, which need some first."""
DEPLOY = f"/insights/{WEB}/workflows/deploy"
ENDPOINTS = [
    ("me", "/me"),
    ("collaborations", "/me/collaborations"),
    ("pipelines", "/pipeline?org-slug=gh/acme"),
    ("pipelines", "/pipeline?org-slug=circleci/8vLqd1AbCdEf&mine=false"),
    ("organization-summary", "/insights/gh/acme/summary"),
    (
        "organization-summary",
        "/insights/gh/acme/summary?project-names=web&project-names=api&reporting-window=last-7-days",
    ),
    ("organization-summary", "/insights/circleci/8vLqd1AbCdEf/summary"),
    ("runs", f"{DEPLOY}?all-branches=true"),
    ("runs", f"{DEPLOY}?start-date=2026-09-20&end-date=2026-09-22"),
    ("jobs", f"{DEPLOY}/jobs?job-name=deploy"),
    ("job-timeseries", f"/insights/time-series/{WEB}/workflows/deploy/jobs?granularity=hourly"),
    *(("project", f"/project/{slug}") for slug in SLUGS),
    *(("webhooks", f"/webhook?scope-id={project.id}&scope-type=project") for project in builtin(1)),
    *(("branches", f"/insights/{slug}/branches") for slug in SLUGS),
    *(("flaky-tests", f"/insights/{slug}/flaky-tests") for slug in SLUGS),
    *(("workflows", f"/insights/{slug}/workflows?all-branches=true") for slug in SLUGS),
    *(
        ("project-summary", f"/insights/pages/{slug}/summary?reporting-window={window}")
        for slug in SLUGS
        for window in ("last-24-hours", "last-30-days", "last-90-days")
    ),
]


def workflow_endpoints() -> list[tuple[str, str]]:
    found = []
    for project in builtin(1):
        for workflow in project.workflows:
            path = f"{project.slug}/workflows/{quote(workflow.name, safe='')}"
            found += [
                ("runs", f"/insights/{path}"),
                ("jobs", f"/insights/{path}/jobs?all-branches=true&reporting-window=last-7-days"),
                ("workflow-summary", f"/insights/{path}/summary"),
                ("test-metrics", f"/insights/{path}/test-metrics"),
                ("job-timeseries", f"/insights/time-series/{path}/jobs?granularity=daily"),
            ]
    return found


@pytest.mark.parametrize(("schema", "path"), ENDPOINTS)
def test_the_answer_fits_the_schema_of_its_endpoint(reference: Circle, schema: str, path: str) -> None:
    answer = ask(reference, path)
    assert answer.status == 200
    assert schemas.problems(schema, answer.json) == []


def test_every_workflow_answers_every_endpoint_by_its_schema(reference: Circle) -> None:
    found = {path: schemas.problems(schema, ask(reference, path).json)[:1] for schema, path in workflow_endpoints()}
    assert {path: problem for path, problem in found.items() if problem} == {}
    assert len(found) > 100


def test_every_schema_of_an_endpoint_is_tried() -> None:
    tried = {schema for schema, _ in [*ENDPOINTS, *workflow_endpoints()]} | TRIED_WITH_PIPELINES
    assert tried == set(schemas.NAMES) - {"error"}
    assert len(ROUTES) == len(tried)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nothing", 404, "Not Found"),
        ("/insights/gh/acme/none/workflows", 404, "Project not found"),
        ("/project/gh/acme/none", 404, "Project not found"),
        ("/insights/gh/none/summary", 404, "Organization not found"),
        ("/insights/gh%2Facme%2Fweb/workflows", 404, "Not Found"),
        ("/insights/gh%2Facme/web/x/workflows", 404, "Project not found"),
        (f"/insights/{WEB}/workflows/a/b/jobs", 404, "Not Found"),
        (f"/insights/{WEB}/workflows/deploy/jobs/lint", 404, "Not Found"),
        (f"/insights/{WEB}/workflows?window=last-7-days", 400, "Unexpected query parameter: window"),
        (f"/insights/{WEB}/workflows?job-name=x", 400, "Unexpected query parameter: job-name"),
        (f"{DEPLOY}?reporting-window=last-7-days", 400, "Unexpected query parameter: reporting-window"),
        ("/me?x=1", 400, "Unexpected query parameter: x"),
        (f"/project/{WEB}/pipeline?mine=true", 400, "Unexpected query parameter: mine"),
        (f"/project/{WEB}/pipeline?start-date=2026-09-01", 400, "Unexpected query parameter: start-date"),
        ("/project/gh/acme/none/pipeline", 404, "Project not found"),
        (f"/pipeline/{NOWHERE}", 404, "Pipeline not found"),
        (f"/pipeline/{NOWHERE}/workflow", 404, "Pipeline not found"),
        (f"/workflow/{NOWHERE}", 404, "Workflow not found"),
        (f"/workflow/{NOWHERE}/job", 404, "Workflow not found"),
        (f"/workflow/{NOWHERE}?page-token=x", 400, "Unexpected query parameter: page-token"),
        ("/pipeline/17", 400, "Invalid id"),
        ("/workflow/..%2Fme/job", 400, "Invalid id"),
    ],
)
def test_an_error_has_its_status_and_message(reference: Circle, path: str, status: int, message: str) -> None:
    answer = ask(reference, path)
    assert (answer.status, answer.json) == (status, {"message": message})
    assert schemas.problems("error", answer.json) == []


def test_nothing_is_outside_of_the_api(reference: Circle) -> None:
    assert fetch(reference, "/me").status == 404


def test_only_get_is_allowed(reference: Circle) -> None:
    assert ask(reference, "/me", method="POST").status == 405


@pytest.mark.parametrize("headers", [{}, {"Circle-Token": "wrong"}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_nothing_is_told(reference: Circle, headers: dict[str, str]) -> None:
    answer = ask(reference, f"/project/{WEB}", headers=headers)
    assert (answer.status, answer.json) == (401, {"message": "Invalid token provided."})


@pytest.mark.parametrize("kind", ["workflows/no%20such", "workflows/no%20such/jobs"])
def test_an_unknown_workflow_has_no_items(reference: Circle, kind: str) -> None:
    answer = ask(reference, f"/insights/{WEB}/{kind}")
    assert (answer.status, answer.json) == (200, {"items": [], "next_page_token": None})


def test_an_unknown_workflow_has_an_empty_summary_and_no_tests(reference: Circle) -> None:
    summary = ask(reference, f"/insights/{WEB}/workflows/none/summary").json
    tests = ask(reference, f"/insights/{WEB}/workflows/none/test-metrics").json
    assert (schemas.problems("workflow-summary", summary), summary["metrics"]["total_runs"]) == ([], 0)
    assert (schemas.problems("test-metrics", tests), tests["total_test_runs"]) == ([], 0)


def test_a_name_with_slashes_is_one_encoded_segment(reference: Circle) -> None:
    name = quote("build / test & deploy", safe="")
    rows = ask(reference, f"/insights/{ODD}/workflows/{name}/jobs").json["items"]
    assert [row["name"] for row in rows] == ["unit tests (100 %)", "lint/format"]


@pytest.mark.parametrize("alias", ["github/acme/web", "gh/acme/web"])
def test_a_long_slug_is_the_same_project(reference: Circle, alias: str) -> None:
    assert ask(reference, f"/project/{alias}").json["slug"] == WEB


def test_workflows_are_those_of_the_truth(reference: Circle) -> None:
    rows = ask(reference, f"/insights/{WEB}/workflows?reporting-window={WEEK}").json["items"]
    organization = reference.organization
    assert {row["name"]: row["metrics"] for row in rows} == {
        workflow.name: organization.workflow_metrics(WEB, workflow.name, None, WEEK)
        for workflow in organization.workflows(WEB)
        if workflow.name != "preview"
    }


def test_jobs_are_those_of_the_truth(reference: Circle) -> None:
    rows = ask(reference, f"{DEPLOY}/jobs?reporting-window={WEEK}").json["items"]
    assert [row["name"] for row in rows] == ["build-image", "hold", "deploy-staging", "deploy-production"]
    for row in rows:
        assert row["metrics"] == reference.organization.job_metrics(WEB, "deploy", row["name"], None, WEEK)


def test_all_branches_wins_over_a_branch(reference: Circle) -> None:
    both = ask(reference, f"/insights/{WEB}/workflows?branch=main&all-branches=true").json
    assert both == ask(reference, f"/insights/{WEB}/workflows?all-branches=true").json
    assert "preview" in [row["name"] for row in both["items"]]
    only = ask(reference, f"/insights/{WEB}/workflows?branch=main&all-branches=false").json
    assert only == ask(reference, f"/insights/{WEB}/workflows").json


def test_a_branch_with_odd_characters_is_found(reference: Circle) -> None:
    branch = quote("fix/#42?", safe="")
    rows = ask(reference, f"/insights/{ODD}/workflows?branch={branch}").json["items"]
    at = reference.organization.aggregated_at()
    for row in rows:
        runs = reference.organization.window_runs(ODD, row["name"], "fix/#42?", "last-90-days", at)
        assert row["metrics"]["total_runs"] == len(runs)
    assert rows


def test_the_bounds_are_the_first_and_the_last_run(reference: Circle) -> None:
    row = ask(reference, f"/insights/{WEB}/workflows?reporting-window={WEEK}").json["items"][0]
    at = reference.organization.aggregated_at()
    runs = reference.organization.window_runs(WEB, row["name"], None, WEEK, at)
    assert (row["window_start"], row["window_end"]) == (written(runs[0].created), written(runs[-1].created))


def test_runs_are_read_page_by_page_newest_first(reference: Circle) -> None:
    path = f"/insights/{WEB}/workflows/build-and-test?all-branches=true"
    first = ask(reference, path).json
    assert (len(first["items"]), first["next_page_token"] is None) == (250, False)
    rows = all_rows(reference, path)
    created = [row["created_at"] for row in rows]
    assert created == sorted(created, reverse=True)
    expected = reference.organization.runs(WEB, "build-and-test", ALL_BRANCHES, NOON - 90 * DAY, NOON)
    assert [row["id"] for row in rows] == [run.id for run in reversed(expected)]


def test_runs_are_filtered_by_their_start(reference: Circle) -> None:
    path = f"/insights/{WEB}/workflows/build-and-test?all-branches=true"
    since = [row["created_at"] for row in all_rows(reference, f"{path}&start-date=2026-09-21T06:00:00Z")]
    assert since
    assert min(since) >= "2026-09-21T06:00:00"
    until = f"{path}&start-date=2026-09-21&end-date=2026-09-22"
    day = [row["created_at"] for row in all_rows(reference, until)]
    assert {text[:10] for text in day} == {"2026-09-21"}


def test_a_page_token_works_with_its_own_query_only(reference: Circle) -> None:
    path = f"/insights/{WEB}/workflows/build-and-test"
    token = ask(reference, f"{path}?all-branches=true").json["next_page_token"]
    assert ask(reference, f"{path}?page-token={token}&all-branches=true").status == 200
    assert ask(reference, f"{path}?page-token={token}").status == 400
    assert ask(reference, f"{path}?all-branches=true&start-date=2026-09-01&page-token={token}").status == 400
    assert ask(reference, f"{DEPLOY}?all-branches=true&page-token={token}").status == 400
    assert ask(reference, f"{path}?all-branches=true&page-token=").status == 400


def test_aggregates_come_twenty_a_page(circle: Circle) -> None:
    for index in range(40):
        circle.organization.add_run(WEB, f"extra-{index:02}", created=NOON - DAY)
    path = f"/insights/{WEB}/workflows"
    assert len(ask(circle, path).json["items"]) == 20
    names = [row["name"] for row in all_rows(circle, path)]
    assert len(names) == len(set(names)) == 43


def test_branches_can_be_those_of_one_workflow(reference: Circle) -> None:
    assert ask(reference, f"/insights/{WEB}/branches?workflow-name=nightly").json["branches"] == ["main"]


def test_connections_are_kept(reference: Circle) -> None:
    connection = http.client.HTTPConnection(reference.url.partition("://")[2], timeout=PATIENCE)
    for path in ("/me", "/nothing", "/me/collaborations"):
        connection.request("GET", f"/api/v2{path}", headers={"Circle-Token": reference.token})
        first = connection.sock
        connection.getresponse().read()
        assert connection.sock is first is not None
    connection.close()
