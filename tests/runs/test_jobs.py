from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from exporter.errors import PayloadError
from exporter.insights.payloads import moment
from exporter.runs.critical_path import critical_path
from exporter.runs.jobs import STATUSES, UNDER_WAY, by_id, oldest_wait, read_jobs, ready_at, under_way, wait_of
from tests.insights import payloads
from tests.runs.job_lists import CREATED, approval, job, jobs

ENTRY: dict[str, Any] = {
    "id": "2e9c7b10-0000-4000-8000-000000000001",
    "name": "test",
    "type": "build",
    "status": "success",
    "job_number": 7,
    "started_at": "2026-09-21T14:13:21.250Z",
    "stopped_at": "2026-09-21T14:14:21.750Z",
    "dependencies": ["2e9c7b10-0000-4000-8000-000000000002"],
}


@pytest.mark.parametrize("name", [name for name in payloads.NAMES if name.startswith("workflow-jobs")])
def test_a_sample_is_read_whole(name: str) -> None:
    page = payloads.document(name)
    found, unread = read_jobs(page)
    assert (len(found), unread) == (len(page["items"]), Counter())


def test_a_job_behind_two_approvals_has_no_wait_and_the_path_goes_on_from_what_ended_last() -> None:
    read, _ = read_jobs(payloads.document("workflow-jobs.two-approvals"))
    known, created = by_id(read), moment("2026-11-24T10:00:02Z")
    assert {each.name: wait_of(each, known, created) for each in read if each.started_at is not None} == {
        "test": 4,
        "build": 2,
        "deploy": None,
        "smoke": 2,
    }
    assert critical_path(known, created) == {
        ("deploy", "run"): 18,
        ("approve-us", "wait"): 30,
        ("test", "run"): 16,
        ("test", "wait"): 4,
    }


def test_a_job_is_read_with_its_times_and_what_it_depends_on() -> None:
    [read], unread = read_jobs({"items": [ENTRY]})
    assert (read.name, read.status, read.approval, read.duration) == ("test", "success", False, 60.5)
    assert read.dependencies == ("2e9c7b10-0000-4000-8000-000000000002",)
    assert unread == Counter()


def test_an_id_in_upper_case_is_the_same_job_also_as_a_dependency() -> None:
    shouted = {**ENTRY, "id": ENTRY["id"].upper(), "dependencies": [each.upper() for each in ENTRY["dependencies"]]}
    [read], _ = read_jobs({"items": [ENTRY]})
    assert read_jobs({"items": [shouted]}) == ([read], Counter())


def test_a_job_without_times_or_dependencies_is_read_as_one_that_has_none() -> None:
    bare = {"id": ENTRY["id"], "name": "hold", "type": "approval", "status": None}
    [read], unread = read_jobs({"items": [bare]})
    assert (read.approval, read.started_at, read.stopped_at, read.dependencies) == (True, None, None, ())
    assert unread == Counter()


OTHER = {**ENTRY, "id": "2e9c7b10-0000-4000-8000-000000000003"}


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        ("id", 7, 0),
        ("id", "../../me", 0),
        ("name", "", 0),
        ("status", [], 0),
        ("started_at", "noon", 1),
        ("dependencies", "a", 1),
    ],
)
def test_an_unreadable_field_is_counted_and_costs_no_other_job(field: str, value: object, left: int) -> None:
    found, unread = read_jobs({"items": [{**ENTRY, field: value}, OTHER, 3]})
    assert len(found) == 1 + left
    assert unread == {field: 1, "items": 1}


def test_a_job_that_stopped_before_its_start_counts_without_a_duration() -> None:
    assert (job("a", 9, 8).counts(CREATED), job("a", 9, 8).duration, job("a", 9, 9).duration) == (True, None, 0)


def test_a_page_without_a_list_is_refused() -> None:
    with pytest.raises(PayloadError):
        read_jobs({"items": 3})


@pytest.mark.parametrize("status", STATUSES)
def test_each_final_status_is_a_job_run(status: str) -> None:
    assert job("a", 1, 2, status=status).counts(CREATED)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_no_status_under_way_is_a_job_run(status: str) -> None:
    assert not job("a", 1, None, status=status).counts(CREATED)


def test_a_status_that_nobody_documented_is_final_once_the_job_has_stopped() -> None:
    assert job("a", 1, 2, status="melted").counts(CREATED)
    assert not job("a", 1, status="melting").counts(CREATED)
    assert under_way([job("a", 1, status="melting"), job("b", 1, 2, status="melted")]) == {"other": 1}


def test_what_did_not_run_or_was_approved_or_was_carried_over_is_no_job_run() -> None:
    assert not job("a", None, None, status="not_run").counts(CREATED)
    assert not approval("a").counts(CREATED)
    assert not job("a", -9, -0.001).counts(CREATED)
    assert job("a", -9, 0).counts(CREATED)


def test_a_job_waits_from_the_latest_stop_among_its_dependencies() -> None:
    known = jobs(job("a", 0, 10), job("b", 0, 30), job("c", 37.5, 40, "a", "b", "unknown"))
    assert wait_of(known["c"], known, CREATED) == 7.5
    assert wait_of(known["a"], known, CREATED) == 0


def test_a_job_waits_from_the_creation_where_its_dependency_was_carried_over() -> None:
    known = jobs(job("a", -50, -10), job("b", 3, 9, "a"))
    assert wait_of(known["b"], known, CREATED) == 3


def test_a_start_before_the_dependency_stopped_is_a_wait_of_0() -> None:
    known = jobs(job("a", 0, 10), job("b", 9, 12, "a"))
    assert wait_of(known["b"], known, CREATED) == 0


def test_a_retried_attempt_is_a_dependency_of_the_next_one_alone() -> None:
    known = jobs(
        job("a", 1, 10, status="retried", identifier="1"),
        job("a", 14, 20, status="retried", identifier="2"),
        job("a", 25, 30, identifier="3"),
    )
    assert [wait_of(each, known, CREATED) for each in known.values()] == [1, 4, 5]


def test_an_attempt_that_waits_has_waited_since_the_one_before_was_given_up() -> None:
    known = jobs(
        job("a", 1, 1800, status="retried", identifier="1"), job("a", None, None, status="queued", identifier="2")
    )
    assert oldest_wait(known, CREATED) == (CREATED + 1800, "a")


def test_the_wait_behind_an_approval_or_of_a_job_that_never_started_is_not_known() -> None:
    known = jobs(approval("hold"), job("a", 9, 12, "hold"), job("b", None, 5, status="canceled"))
    assert wait_of(known["a"], known, CREATED) is None
    assert wait_of(known["b"], known, CREATED) is None


def test_the_oldest_wait_is_that_of_the_job_that_could_have_started_first() -> None:
    known = jobs(
        job("a", 0, 10),
        job("late", None, None, "a", status="queued"),
        job("early", None, None, status="not_running"),
        job("blocked", None, None, "late", status="blocked"),
    )
    assert oldest_wait(known, CREATED) == (CREATED, "early")
    assert ready_at(known["late"], known, CREATED) == CREATED + 10
    behind = jobs(approval("hold", status="on_hold"), job("b", None, None, "hold", status="queued"))
    assert oldest_wait(behind, CREATED) == (None, "")


def test_of_a_job_that_is_listed_twice_the_entry_that_has_ended_serves() -> None:
    running, ended = job("a", 1, status="running"), job("a", 1, 2)
    assert by_id([running, ended])["a"] == by_id([ended, running])["a"] == ended
