from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.demo.aggregates import INFINITE
from tests.demo.asking import DAY, NOON, QUARTER, WEB, ask

if TYPE_CHECKING:
    from tests.circleci import Circle


def test_a_workflow_summary_agrees_with_the_workflow_over_ninety_days(reference: Circle) -> None:
    summary = ask(reference, f"/insights/{WEB}/workflows/deploy/summary").json
    metrics = reference.organization.workflow_metrics(WEB, "deploy", None, QUARTER)
    assert metrics is not None
    shared = ("total_runs", "successful_runs", "failed_runs", "success_rate", "throughput", "mttr")
    assert {key: summary["metrics"][key] for key in shared} == {key: metrics[key] for key in shared}
    assert summary["workflow_names"] == ["build-and-test", "nightly", "deploy", "preview"]


def test_completed_runs_leave_out_what_is_held(reference: Circle) -> None:
    metrics = ask(reference, f"/insights/{WEB}/workflows/deploy/summary?all-branches=true").json["metrics"]
    assert metrics["failed_runs"] + metrics["successful_runs"] <= metrics["completed_runs"] < metrics["total_runs"]


def test_a_trend_from_nothing_is_infinite(quiet: Circle) -> None:
    quiet.organization.add_run(WEB, "build", created=NOON - DAY, stopped=NOON - DAY + 60)
    trends = ask(quiet, f"/insights/{WEB}/workflows/build/summary").json["trends"]
    assert (trends["total_runs"], trends["failed_runs"], trends["mttr"]) == (INFINITE, 1.0, 1.0)
    page = ask(quiet, f"/insights/pages/{WEB}/summary?reporting-window=last-7-days").json
    assert page["project_workflow_data"][0]["trends"]["total_runs"] == INFINITE


def test_a_trend_compares_with_the_window_before(quiet: Circle) -> None:
    for age in (1, 2, 3, 8):
        quiet.organization.add_run(
            WEB, "build", created=NOON - age * DAY, stopped=NOON, duration=100 if age < 8 else 50
        )
    page = ask(quiet, f"/insights/pages/{WEB}/summary?reporting-window=last-7-days").json
    (row,) = page["project_workflow_data"]
    assert (row["metrics"]["total_runs"], row["trends"]["total_runs"]) == (3, 3.0)
    assert row["trends"]["p95_duration_secs"] == 2.0
    assert page["project_data"]["metrics"]["total_duration_secs"] == 300


def test_long_windows_have_no_trends(reference: Circle) -> None:
    page = ask(reference, f"/insights/pages/{WEB}/summary").json
    assert page["project_data"]["trends"] == {}
    assert {str(row["trends"]) for row in page["project_workflow_data"]} == {"{}"}


def test_a_project_summary_sums_its_branches(reference: Circle) -> None:
    page = ask(reference, f"/insights/pages/{WEB}/summary?reporting-window=last-30-days").json
    total = sum(row["metrics"]["total_runs"] for row in page["project_workflow_branch_data"])
    assert total == page["project_data"]["metrics"]["total_runs"]
    assert total == sum(row["metrics"]["total_runs"] for row in page["project_workflow_data"])
    assert page["all_branches"][0] == "main"


def test_a_project_summary_can_be_narrowed_to_workflows_and_in_its_totals_to_branches(quiet: Circle) -> None:
    for workflow, branch in (("deploy", "main"), ("deploy", "next"), ("preview", "next"), ("nightly", "main")):
        quiet.organization.add_run(WEB, workflow, branch, created=NOON - DAY, stopped=NOON)
    path = f"/insights/pages/{WEB}/summary?branches=main&workflow-names=deploy&workflow-names=preview"
    page = ask(quiet, path).json
    rows = {row["workflow_name"]: row["metrics"]["total_runs"] for row in page["project_workflow_data"]}
    assert rows == {"deploy": 2, "preview": 1}
    assert [(row["workflow_name"], row["branch"]) for row in page["project_workflow_branch_data"]] == [
        ("deploy", "main")
    ]
    assert page["project_data"]["metrics"]["total_runs"] == 2


def test_an_organization_lists_projects_only_when_asked(reference: Circle) -> None:
    plain = ask(reference, "/insights/gh/acme/summary").json
    assert plain["org_project_data"] == []
    assert plain["all_projects"] == ["web", "api", "mobile", "odd.names_1"]
    named = ask(reference, "/insights/gh/acme/summary?project-names=api&project-names=none").json
    assert [row["project_name"] for row in named["org_project_data"]] == ["api"]
    assert "throughput" not in named["org_project_data"][0]["metrics"]


def test_an_organization_is_the_sum_of_its_projects(reference: Circle) -> None:
    names = "&".join(f"project-names={name}" for name in ("web", "api", "mobile", "odd.names_1"))
    found = ask(reference, f"/insights/gh/acme/summary?reporting-window=last-7-days&{names}").json
    total = sum(row["metrics"]["total_runs"] for row in found["org_project_data"])
    assert found["org_data"]["metrics"]["total_runs"] == total > 0


@pytest.mark.parametrize("path", [f"/insights/pages/{WEB}/summary", "/insights/gh/acme/summary"])
def test_where_nothing_ran_everything_is_zero(quiet: Circle, path: str) -> None:
    found = ask(quiet, path).json
    metrics = (found.get("project_data") or found["org_data"])["metrics"]
    assert set(metrics.values()) == {0}
