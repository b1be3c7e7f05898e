"""Every collector polled from a synthetic CircleCI: what is shown is what CircleCI says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.cli import metrics_reference
from exporter.config import TopTests
from exporter.demo.clock import Clock
from exporter.demo.organization import Organization
from exporter.insights.collector import PROJECT_POLL
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge import plan
from exporter.process import figures
from tests.circleci.fleet import fleet
from tests.demo.asking import ask
from tests.running.engine import NOON, Running, hourly

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB, API = "gh/acme/web", "gh/acme/api"
EVERY = [name for name, collector in COLLECTORS.items() if collector.poll == PROJECT_POLL]
HOUR, DAY = 3600, 86_400


@pytest.fixture(name="running", scope="module")
def one_process() -> Iterator[Running]:
    settings = f"collectors: [{', '.join(EVERY)}], flaky_tests: {{top: 3}}, tests: {{top: 4}}, all_branches: true"
    with hourly(settings, f"{WEB}, {API}") as found:
        for slug in (WEB, API):
            found.poll(slug)
        yield found


def told(running: Running, path: str) -> Any:
    return ask(running.circle, path).json


def test_every_collector_succeeds_and_has_series(running: Running) -> None:
    success = running.samples("circleci_exporter_collector_success", project=API)
    assert list(success.values()) == [1] * len(EVERY)
    series = running.samples("circleci_exporter_series")
    assert all(series[f'{{collector="{name}"}}'] > 0 for name in EVERY)


def test_the_page_shows_every_collector_of_a_project(running: Running) -> None:
    projects, _, _ = figures.PageFigures(running.engine.store, dict, "https://circleci.com", lambda: NOON).read()
    assert {collector.name for collector in projects[0].collectors} == set(EVERY)
    assert {collector.state.value for collector in projects[0].collectors} == {"ok"}


def test_the_reference_has_every_metric_of_every_collector() -> None:
    listed = {row["name"] for row in metrics_reference.rows()}
    families = [family for each in COLLECTORS.values() for table in each.tables for family in table.families]
    assert {family.name for family in families} <= listed


def test_project_totals_and_trends_are_the_ones_of_the_summary(running: Running) -> None:
    summary = told(running, f"/insights/pages/{WEB}/summary?reporting-window=last-7-days")
    metrics, trends = summary["project_data"]["metrics"], summary["project_data"]["trends"]
    prefix = "circleci_insights_project_"
    assert running.value(f"{prefix}runs", project=WEB) == metrics["total_runs"]
    assert running.value(f"{prefix}duration_total_seconds", project=WEB) == metrics["total_duration_secs"]
    assert running.value(f"{prefix}runs_trend_ratio", project=WEB) == trends["total_runs"]
    for row in summary["project_workflow_data"]:
        labels = {"project": WEB, "workflow": row["workflow_name"]}
        assert running.value(f"{prefix}workflow_runs", **labels) == row["metrics"]["total_runs"]
        assert running.value(f"{prefix}workflow_duration_p95_seconds", **labels) == row["metrics"]["p95_duration_secs"]


def test_completed_runs_are_the_ones_of_the_workflow_summary(running: Running) -> None:
    summary = told(running, f"/insights/{WEB}/workflows/deploy/summary?branch=main")
    shown = running.samples("circleci_insights_workflow_totals_completed_runs", project=WEB, workflow="deploy")
    assert shown[f'{{branch="main",project="{WEB}",workflow="deploy"}}'] == summary["metrics"]["completed_runs"]
    assert {labels.split('"')[1] for labels in shown} == {"main", "all branches"}


def test_flaky_tests_are_counted_once(running: Running) -> None:
    answer = told(running, f"/insights/{API}/flaky-tests")
    times = [entry["times_flaked"] for entry in answer["flaky_tests"]]
    flakes = running.samples("circleci_insights_flaky_test_flakes", project=API)
    assert sum(flakes.values()) == sum(times)
    wasted = running.samples("circleci_insights_flaky_test_wasted_seconds", project=API)
    assert sum(wasted.values()) == sum(entry.get("time_wasted", 0) for entry in answer["flaky_tests"])
    assert 0 not in wasted.values()
    assert running.value("circleci_insights_flaky_tests", project=API) == answer["total_flaky_tests"]
    top = running.samples("circleci_insights_flaky_test_top_flakes", project=API)
    assert sorted(top.values(), reverse=True) == sorted(times, reverse=True)[:3]


def test_tests_are_shown_by_name_as_many_as_are_wanted_for_each_workflow_and_branch(running: Running) -> None:
    answer = told(running, f"/insights/{WEB}/workflows/build-and-test/test-metrics?branch=main")
    scope = {"project": WEB, "workflow": "build-and-test", "branch": "main"}
    assert running.value("circleci_insights_workflow_tests", **scope) == answer["average_test_count"]
    assert len(running.samples("circleci_insights_test_runs", **scope)) == 4
    worst = answer["most_failed_tests"][0]["failed_runs"]
    assert max(running.samples("circleci_insights_test_failed_runs", **scope).values()) == worst


def test_buckets_are_complete_and_as_fresh_as_they_can_be(running: Running) -> None:
    starts = running.samples("circleci_insights_job_bucket_start_timestamp_seconds", project=WEB)
    for labels, start in starts.items():
        length = DAY if 'granularity="daily"' in labels else HOUR
        assert start % length == 0
        assert start + length <= NOON
        assert start >= (NOON - (3 * DAY if length == DAY else 2 * DAY)) // length * length
    daily = [start for labels, start in starts.items() if "daily" in labels and "build-and-test" in labels]
    assert max(daily) == NOON // DAY * DAY - DAY
    assert {labels.split('branch="')[1].split('"')[0] for labels in starts} == {"main"}
    queries = [request.query for request in running.circle.requests if "time-series" in request.path]
    assert all("start-date=" in query for query in queries)


def test_settings_of_the_top_work_without_a_poll(running: Running) -> None:
    store = running.engine.store
    snapshot = store.get(API)
    assert snapshot is not None
    asked = len(running.circle.requests)
    project = snapshot.project.model_copy(update={"flaky_tests": TopTests(top=1)})
    store.publish([replace(snapshot, project=project)], NOON)
    assert len(running.samples("circleci_insights_flaky_test_top_flakes", project=API)) == 1
    store.publish([snapshot], NOON)
    assert len(running.samples("circleci_insights_flaky_test_top_flakes", project=API)) == 3
    assert len(running.circle.requests) == asked


def test_only_the_rows_of_the_wanted_workflows_and_jobs_are_shown() -> None:
    settings = f"collectors: [{', '.join(EVERY)}], workflows: {{include: [test]}}, jobs: {{exclude: [lint]}}"
    with hourly(settings, API) as running:
        running.poll(API)
        text = "\n".join(line for line in running.text().splitlines() if line.startswith("circleci_insights_"))
        assert 'workflow="test"' in text
        assert 'job_name="unit-tests"' in text
        assert 'workflow="release"' not in text
        assert 'job_name="lint"' not in text
        assert not [path for path in running.asked() if "/workflows/release" in path]


def test_pages_of_buckets_are_followed() -> None:
    with hourly("collectors: [job_trend]", projects="gh/fleet/project-00000", **many_jobs()) as running:
        running.poll("gh/fleet/project-00000")
        asked = [request for request in running.circle.requests if "time-series" in request.path]
        assert sum("page-token" in request.query for request in asked) > 0
        shown = running.samples("circleci_insights_job_bucket_runs", granularity="daily")
        assert len(shown) == 150


def test_a_refused_page_of_buckets_fails_the_answer_and_keeps_the_one_before() -> None:
    with hourly("collectors: [job_trend]", projects="gh/fleet/project-00000", **many_jobs()) as running:
        running.poll("gh/fleet/project-00000")
        shown = running.samples("circleci_insights_job_bucket_runs")
        running.circle.fail("bad_request", "time-series.*page-token")
        running.poll("gh/fleet/project-00000")
        assert running.samples("circleci_insights_job_bucket_runs") == shown
        failures = "circleci_exporter_collector_failures_total"
        assert running.value(failures, collector="job_trend", reason="client") == 2  # daily and hourly
        assert running.value("circleci_exporter_collector_success", collector="job_trend") == 0


def many_jobs() -> dict[str, Any]:
    """More buckets in three days than there are on a page."""
    return {"organization": Organization(fleet(1, 1, 1, 150), clock=Clock(NOON, 0))}


def test_a_collector_that_fails_leaves_the_others_alone() -> None:
    with hourly(f"collectors: [{', '.join(EVERY)}]", WEB) as running:
        running.circle.fail("not_found", "flaky-tests|test-metrics")
        running.poll()
        success = running.samples("circleci_exporter_collector_success")
        failed = {labels.split('"')[1] for labels, good in success.items() if not good}
        assert failed == {"flaky_tests", "tests"}


def test_what_globs_match_beyond_their_limit_is_counted_at_each_poll() -> None:
    beyond = 3
    with hourly("collectors: [workflows], branches: ['f/*']", WEB, quiet=True) as running:
        for number in range(plan.GLOB_BRANCHES + beyond):
            running.circle.organization.add_run(WEB, "w", f"f/{number:04}", created=NOON - DAY)
        running.circle.clock.advance(DAY)
        dropped = "circleci_exporter_dropped_series_total"
        assert running.value(dropped, reason="branches") == 0
        for polls in (1, 2):
            running.poll()
            assert running.value(dropped, reason="branches") == polls * beyond
        assert len(running.samples("circleci_insights_workflow_runs")) == plan.GLOB_BRANCHES
        assert running.value(dropped, reason="max_series") == 0
