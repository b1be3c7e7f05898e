from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from exporter.runs.branches import branch_label
from exporter.runs.entries import Entry
from exporter.runs.pipelines import (
    read_found,
    read_pipelines,
    read_workflows,
    shown_status,
    trigger_of,
)
from tests.insights import payloads

if TYPE_CHECKING:
    from collections.abc import Callable

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
BEFORE = 1_789_999_990.5
"""The creation of the pipeline."""
WORKFLOW = {"id": ID, "name": "build", "status": "running", "created_at": "2026-09-21T14:13:21Z", "stopped_at": None}


SAMPLES: dict[str, Callable[[object], tuple[list[Any], Counter[str]]]] = {
    "project-pipelines": read_pipelines,
    "pipeline-workflows": lambda page: read_workflows(page, BEFORE),
}


@pytest.mark.parametrize("name", [name for name in payloads.NAMES if name.partition(".")[0] in SAMPLES])
def test_a_sample_is_read_whole_but_for_times_that_it_lacks(name: str) -> None:
    page = payloads.document(name)
    found, unread = SAMPLES[name.partition(".")[0]](page)
    assert len(found) == len(page["items"])
    assert unread == ({"created_at": 1, "stopped_at": 2} if name == "pipeline-workflows.times" else {})


def test_a_schedule_and_a_configuration_that_could_not_be_fetched_are_read_as_they_come() -> None:
    found, _ = read_pipelines(payloads.document("project-pipelines.schedules"))
    assert [(trigger_of(each.trigger), each.state, each.branch, each.tag) for each in found] == [
        ("scheduled_pipeline", "created", "main", ""),
        ("scheduled_pipeline", "created", "main", ""),
        ("other", "errored", "", ""),
        ("other", "created", "main", ""),
    ]


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
    runs, _ = read_workflows({"items": [WORKFLOW, {**WORKFLOW, "id": ID.upper()}]}, BEFORE)
    assert {each.id for each in pipelines} == {each.id for each in runs} == {ID}


@pytest.mark.parametrize("status", ["success", "failed", "error", "canceled", "unauthorized", "not_run"])
def test_a_final_status_ends_a_run(status: str) -> None:
    [read], _ = read_workflows({"items": [{**WORKFLOW, "status": status}]}, BEFORE)
    assert read.ended


@pytest.mark.parametrize(
    ("status", "shown"),
    [("running", "running"), ("failing", "failing"), ("on_hold", "on_hold"), ("queued", "queued"), ("odd", "other")],
)
def test_a_run_under_way_is_shown_by_its_status(status: str, shown: str) -> None:
    [read], _ = read_workflows({"items": [{**WORKFLOW, "status": status}]}, BEFORE)
    assert (read.ended, shown_status(read.status)) == (False, shown)


def test_a_status_that_nobody_documented_is_final_once_the_run_has_stopped() -> None:
    stopped = {**WORKFLOW, "status": "melted", "stopped_at": "2026-09-21T14:14:21Z"}
    [read], _ = read_workflows({"items": [stopped]}, BEFORE)
    assert read.ended


def test_a_run_without_a_name_costs_no_other_run() -> None:
    found, unread = read_workflows({"items": [{**WORKFLOW, "name": 3}, WORKFLOW]}, BEFORE)
    assert len(found) == 1
    assert unread == {"name": 1}


@pytest.mark.parametrize("times", [{"created_at": ""}, {"created_at": None}, {"created_at": "noon", "stopped_at": ""}])
def test_a_run_whose_creation_cannot_be_read_has_its_pipelines_in_whole_seconds(times: dict[str, object]) -> None:
    [read], unread = read_workflows({"items": [{**WORKFLOW, "status": "failed", **times}]}, BEFORE)
    assert (read.created_at, read.stopped_at, read.dated, read.ended) == (1_789_999_990.0, None, False, True)
    assert unread == dict.fromkeys(times, 1)


def test_a_stop_before_the_creation_is_counted_and_kept_as_it_was_sent() -> None:
    [read], unread = read_workflows({"items": [{**WORKFLOW, "stopped_at": "2026-09-21T14:12:36Z"}]}, BEFORE)
    assert (read.stopped_at, read.dated) == (1_789_999_956.0, True)
    assert unread == {"stopped_at": 1}


def test_a_run_that_was_asked_for_by_its_id_and_has_no_creation_is_known_by_its_pipeline_alone() -> None:
    unread: Counter[str] = Counter()
    found = read_found(Entry({**WORKFLOW, "created_at": "", "pipeline_id": ID, "project_slug": "gh/acme/web"}, unread))
    assert (found.run, found.pipeline, found.slug) == (None, ID, "gh/acme/web")
    assert unread == {"created_at": 1}


def test_the_branch_of_a_tag_is_all_tags_and_of_nothing_other_branches() -> None:
    assert branch_label("main", "v1", str.upper) == "all tags"
    assert branch_label("main", "", str.upper) == "MAIN"
    assert branch_label("", "", str.upper) == "other branches"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("api", "api"),
        ("scheduled_pipeline", "scheduled_pipeline"),
        ("schedule", "scheduled_pipeline"),
        ("Decoupled Ingestion System", "other"),
        ("unknown", "other"),
        ("", "other"),
    ],
)
def test_the_trigger_is_one_of_few_and_both_kinds_of_schedule_are_one(sent: str, shown: str) -> None:
    assert trigger_of(sent) == shown
