from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.demo.flakes import LOOKED_AT
from tests.demo.asking import API, DAY, NOON, PLATFORM, WEB, all_rows, ask

if TYPE_CHECKING:
    from tests.circleci import Circle

HOUR = 3_600


def test_flaky_tests_are_those_of_the_flaky_workflow(reference: Circle) -> None:
    found = ask(reference, f"/insights/{API}/flaky-tests").json
    assert {entry["workflow_name"] for entry in found["flaky_tests"]} == {"test"}
    assert 0 < found["total_flaky_tests"] <= len(found["flaky_tests"])


def test_wasted_time_is_absent_where_it_is_not_known(reference: Circle) -> None:
    entries = ask(reference, f"/insights/{API}/flaky-tests").json["flaky_tests"]
    assert {"time_wasted" in entry for entry in entries} == {True, False}


def test_projects_of_an_app_have_no_test_insights(reference: Circle) -> None:
    found = ask(reference, f"/insights/{PLATFORM}/flaky-tests").json
    assert found == {"flaky_tests": [], "total_flaky_tests": 0}


def test_test_metrics_look_at_the_newest_runs(reference: Circle) -> None:
    found = ask(reference, f"/insights/{WEB}/workflows/build-and-test/test-metrics").json
    assert (found["total_test_runs"], found["average_test_count"]) == (LOOKED_AT, 1532)
    assert [row["failed_runs"] for row in found["most_failed_tests"]] == sorted(
        (row["failed_runs"] for row in found["most_failed_tests"]), reverse=True
    )
    durations = [row["p95_duration"] or 0 for row in found["slowest_tests"]]
    assert durations == sorted(durations, reverse=True)


def test_a_workflow_without_tests_has_none(reference: Circle) -> None:
    found = ask(reference, f"/insights/{WEB}/workflows/nightly/test-metrics").json
    assert (found["average_test_count"], found["slowest_tests"], found["test_runs"]) == (0, [], [])


def test_buckets_are_of_a_day_or_of_an_hour(quiet: Circle) -> None:
    quiet.organization.add_run(WEB, "nightly", created=NOON - 20 * HOUR, stopped=NOON - 19 * HOUR, duration=1000)
    quiet.organization.add_run(WEB, "nightly", created=NOON - HOUR - 60, stopped=NOON, duration=2000)
    quiet.organization.add_run(WEB, "nightly", created=NOON - 3 * DAY, stopped=NOON, duration=3000)
    path = f"/insights/time-series/{WEB}/workflows/nightly/jobs"
    daily = ask(quiet, path).json["items"]
    assert [row["timestamp"][:13] for row in daily if row["name"] == "lighthouse"] == [
        "2026-09-22T00",
        "2026-09-21T00",
        "2026-09-19T00",
    ]
    hourly = ask(quiet, f"{path}?granularity=hourly").json["items"]
    assert [row["timestamp"][:13] for row in hourly if row["name"] == "lighthouse"] == [
        "2026-09-22T10",
        "2026-09-21T16",
    ]
    newest = daily[0]["metrics"]
    assert (newest["total_runs"], newest["successful_runs"], newest["throughput"]) == (1, 1, 1.0)
    assert newest["duration_metrics"] == dict.fromkeys(("min", "median", "max", "p95", "total"), 1600)


def test_a_bucket_of_approvals_has_no_durations(reference: Circle) -> None:
    rows = all_rows(reference, f"/insights/time-series/{WEB}/workflows/deploy/jobs")
    holds = [row for row in rows if row["name"] == "hold"]
    assert set(holds[0]["metrics"]["duration_metrics"].values()) == {None}


def test_buckets_can_be_bounded_and_of_a_branch(reference: Circle) -> None:
    path = f"/insights/time-series/{WEB}/workflows/preview/jobs"
    assert ask(reference, path).json["items"] == []
    bounds = "start-date=2026-09-14&end-date=2026-09-16"
    busy = f"/insights/time-series/{WEB}/workflows/build-and-test/jobs"
    rows = all_rows(reference, f"{busy}?branch=feature/checkout&{bounds}")
    assert {row["timestamp"][:10] for row in rows} == {"2026-09-14", "2026-09-15"}
    assert ask(reference, f"/insights/time-series/{WEB}/workflows/none/jobs").json["items"] == []


def test_pipelines_tell_which_projects_an_organization_has(reference: Circle) -> None:
    found = ask(reference, "/pipeline?org-slug=circleci/8vLqd1AbCdEf").json["items"]
    assert {row["project_slug"] for row in found} == {PLATFORM}
    assert all("vcs" not in row for row in found)
    everywhere = all_rows(reference, "/pipeline")
    assert {row["project_slug"] for row in everywhere} == {each.slug for each in reference.organization.projects}
    assert ask(reference, "/pipeline?org-slug=gh/none").json["items"] == []
