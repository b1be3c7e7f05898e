from __future__ import annotations

import pytest

from exporter.runs.pipelines import branch_label, read_pipelines, read_workflows, shown_status, trigger_of

ID = "c1b7e0aa-2f4d-4a6b-9d3e-8b7a6c5d4e3f"
PIPELINE = {
    "id": ID,
    "project_slug": "gh/acme/web",
    "number": 12,
    "state": "created",
    "created_at": "2026-09-21T14:13:20.120Z",
    "trigger": {"type": "webhook"},
    "vcs": {"branch": "main"},
}
WORKFLOW = {"id": ID, "name": "build", "status": "running", "created_at": "2026-09-21T14:13:21Z", "stopped_at": None}


def test_a_pipeline_is_read_with_what_triggered_it() -> None:
    [read], unread = read_pipelines({"items": [PIPELINE]})
    assert (read.id, read.slug, read.number, read.state) == (ID, "gh/acme/web", 12, "created")
    assert (read.created_at, read.trigger, read.branch, read.tag) == (1_790_000_000.12, "webhook", "main", "")
    assert not unread


@pytest.mark.parametrize(
    ("where", "branch", "tag"),
    [
        ({"vcs": {"tag": "v1"}}, "", "v1"),
        ({"vcs": None, "trigger_parameters": {"git": {"branch": "next", "tag": ""}}}, "next", ""),
        ({"vcs": None, "trigger_parameters": {"git": {"branch": "", "tag": "v2"}}}, "", "v2"),
        ({"vcs": None}, "", ""),
    ],
)
def test_branch_and_tag_stand_in_vcs_or_in_the_trigger_and_an_empty_tag_is_none(
    where: dict[str, object], branch: str, tag: str
) -> None:
    [read], unread = read_pipelines({"items": [{**PIPELINE, **where}]})
    assert (read.branch, read.tag) == (branch, tag)
    assert not unread


@pytest.mark.parametrize("identifier", ["", "7", "../me", ID + "0", f"{ID}\n", None, 7])
def test_an_id_that_is_no_uuid_never_gets_into_a_path(identifier: object) -> None:
    found, unread = read_pipelines({"items": [{**PIPELINE, "id": identifier}, PIPELINE]})
    assert len(found) == 1
    assert unread == {"id": 1}


def test_an_id_in_upper_case_is_the_same_pipeline_and_the_same_run() -> None:
    pipelines, _ = read_pipelines({"items": [PIPELINE, {**PIPELINE, "id": ID.upper()}]})
    runs, _ = read_workflows({"items": [WORKFLOW, {**WORKFLOW, "id": ID.upper()}]})
    assert {each.id for each in pipelines} == {each.id for each in runs} == {ID}


@pytest.mark.parametrize("status", ["success", "failed", "error", "canceled", "unauthorized", "not_run"])
def test_a_final_status_ends_a_run(status: str) -> None:
    [read], _ = read_workflows({"items": [{**WORKFLOW, "status": status}]})
    assert read.ended


@pytest.mark.parametrize(
    ("status", "shown"),
    [("running", "running"), ("failing", "failing"), ("on_hold", "on_hold"), ("queued", "queued"), ("odd", "other")],
)
def test_a_run_under_way_is_shown_by_its_status(status: str, shown: str) -> None:
    [read], _ = read_workflows({"items": [{**WORKFLOW, "status": status}]})
    assert (read.ended, shown_status(read.status)) == (False, shown)


def test_a_status_that_nobody_documented_is_final_once_the_run_has_stopped() -> None:
    stopped = {**WORKFLOW, "status": "melted", "stopped_at": "2026-09-21T14:14:21Z"}
    [read], _ = read_workflows({"items": [stopped]})
    assert read.ended


def test_a_run_without_a_name_costs_no_other_run() -> None:
    found, unread = read_workflows({"items": [{**WORKFLOW, "name": 3}, WORKFLOW]})
    assert len(found) == 1
    assert unread == {"name": 1}


def test_the_branch_of_a_tag_is_all_tags_and_of_nothing_other_branches() -> None:
    assert branch_label("main", "v1", str.upper) == "all tags"
    assert branch_label("main", "", str.upper) == "MAIN"
    assert branch_label("", "", str.upper) == "other branches"


def test_a_trigger_that_nobody_documented_is_other() -> None:
    assert [trigger_of(word) for word in ("api", "schedule", "")] == ["api", "other", "other"]
