from __future__ import annotations

import pytest

from exporter.demo.clock import Clock
from exporter.demo.organization import ALL_BRANCHES, RETENTION, WINDOWS, Organization
from tests.demo.asking import API, BILLING, DAY, MOBILE, NOON, QUARTER, WEB, WEEK


def organization(**options: bool | float) -> Organization:
    return Organization(clock=Clock(NOON, speed=0), **options)  # type: ignore[arg-type]


def test_the_same_seed_and_time_give_the_same_truth() -> None:
    one, other = (organization().workflow_metrics(WEB, "build-and-test", None, WEEK) for _ in range(2))
    assert one is not None
    assert one == other
    assert one != organization(seed=2).workflow_metrics(WEB, "build-and-test", None, WEEK)


def test_aggregates_change_once_in_a_refresh() -> None:
    found = organization(refresh=10, pace=400)
    first = found.workflow_metrics(WEB, "build-and-test", None, "last-24-hours")
    found.clock.advance(9)
    assert found.workflow_metrics(WEB, "build-and-test", None, "last-24-hours") == first
    found.clock.advance(61)
    assert found.workflow_metrics(WEB, "build-and-test", None, "last-24-hours") != first


@pytest.mark.parametrize("window", WINDOWS)
def test_counts_hang_together_in_every_window(window: str) -> None:
    found = organization()
    for project in found.projects:
        for workflow in found.workflows(project.slug):
            metrics = found.workflow_metrics(project.slug, workflow.name, ALL_BRANCHES, window)
            if metrics is None:
                continue
            total, good, bad = (metrics[key] for key in ("total_runs", "successful_runs", "failed_runs"))
            assert isinstance(total, int)
            assert isinstance(good, int)
            assert isinstance(bad, int)
            assert total >= good + bad
            assert metrics["success_rate"] == good / total


def test_a_longer_window_has_more_runs() -> None:
    found = organization()
    totals = [found.workflow_metrics(WEB, "build-and-test", None, window) for window in WINDOWS]
    counts = [metrics["total_runs"] for metrics in totals if metrics]
    assert len(counts) == 5
    assert counts == sorted(counts, key=lambda count: count if isinstance(count, int) else 0)
    assert counts[0] != counts[-1]


def test_the_scopes_are_the_default_branch_one_branch_and_all() -> None:
    found = organization()
    at = found.aggregated_at()
    by_scope = {
        scope: len(found.window_runs(MOBILE, "ci", scope, WEEK, at))
        for scope in (None, "develop", "main", "feature/biometrics", ALL_BRANCHES)
    }
    assert by_scope[None] == by_scope["develop"] > 0
    assert by_scope[ALL_BRANCHES] == by_scope["develop"] + by_scope["main"] + by_scope["feature/biometrics"]


def test_there_is_one_workflow_of_each_special_kind() -> None:
    found = organization()
    never_failed = found.workflow_metrics(API, "release", None, QUARTER)
    flaky = found.workflow_metrics(API, "test", None, QUARTER)
    nulls = found.workflow_metrics(BILLING, "legacy-import", None, QUARTER)
    assert never_failed is not None
    assert (never_failed["failed_runs"], never_failed["mttr"]) == (0, None)
    assert flaky is not None
    assert isinstance(flaky["success_rate"], float)
    assert flaky["success_rate"] < 0.75
    assert nulls is not None
    assert nulls["total_credits_used"] is None
    assert nulls["duration_metrics"] == {
        **dict.fromkeys(("min", "mean", "median", "p95", "max", "standard_deviation")),
        "total_duration": 0,
    }
    assert found.workflow_metrics(WEB, "preview", None, QUARTER) is None
    assert found.workflow_metrics(WEB, "preview", ALL_BRANCHES, QUARTER) is not None


def test_metrics_of_what_is_not_there_are_none() -> None:
    found = organization()
    assert found.workflow_metrics(WEB, "no such workflow", None, WEEK) is None
    assert found.job_metrics(WEB, "no such workflow", "lint", None, WEEK) is None
    assert found.job_metrics(WEB, "deploy", "no such job", None, WEEK, at=NOON) is None
    with pytest.raises(KeyError):
        found.workflows("gh/acme/none")
    with pytest.raises(KeyError):
        found.add_run("gh/acme/none", "build")


def test_the_branches_of_a_project_begin_with_the_default_one() -> None:
    found = organization()
    assert found.branches(WEB)[0] == "main"
    assert found.branches(WEB, "preview") == ["feature/checkout", "feature/dark-mode", "fix/cart-total", "release/2.0"]


def test_a_quiet_organization_has_added_runs_only() -> None:
    found = organization(quiet=True, refresh=1)
    assert found.workflow_metrics(WEB, "build-and-test", None, QUARTER) is None
    found.add_run(WEB, "build-and-test")
    metrics = found.workflow_metrics(WEB, "build-and-test", None, QUARTER)
    assert metrics is not None
    assert metrics["total_runs"] == 1


def test_an_added_run_joins_those_that_happen_by_themselves() -> None:
    found = organization()
    before = len(found.runs(WEB, "deploy", None, NOON - DAY, NOON))
    run = found.add_run(WEB, "deploy", created=NOON - 60)
    runs = found.runs(WEB, "deploy", None, NOON - DAY, NOON)
    assert len(runs) == before + 1
    assert run in runs
    assert [each.created for each in runs] == sorted(each.created for each in runs)


def test_an_added_run_may_bring_its_workflow_and_branch_with_it() -> None:
    found = organization(refresh=1)
    found.add_run(WEB, "brand new", "feature/new", "failed")
    assert found.workflows(WEB)[-1].name == "brand new"
    assert "feature/new" in found.branches(WEB)


def test_a_run_with_an_end_to_come_finishes_by_itself() -> None:
    found = organization(quiet=True)
    found.add_run(WEB, "deploy", status="success", stopped=NOON + 30)
    assert [run.status for run in found.runs(WEB, "deploy", None, 0, NOON)] == [None]
    assert [run.status for run in found.runs(WEB, "deploy", None, 0, NOON + 30)] == ["success"]


def test_a_run_without_a_status_is_finished_by_hand() -> None:
    found = organization(quiet=True)
    run = found.add_run(WEB, "deploy", status=None)
    assert found.truth() == []
    found.clock.advance(100)
    found.finish_run(run.id, "failed", duration=100, credits=3)
    (tally,) = found.truth()
    assert (tally.status, tally.runs, tally.credits, tally.durations) == ("failed", 1, 3, (100,))


def test_a_run_that_is_shown_late_is_not_listed_before() -> None:
    found = organization(quiet=True)
    found.add_run(WEB, "deploy", created=NOON - 500, shown=NOON + 60)
    assert found.runs(WEB, "deploy", None, 0, NOON + 59) == []
    assert len(found.runs(WEB, "deploy", None, 0, NOON + 60)) == 1


def test_the_truth_of_all_runs_is_what_the_endpoint_lists() -> None:
    found = organization()
    tallies = found.truth(generated=True)
    expected = sum(
        run.status is not None
        for project in found.projects
        for workflow in found.workflows(project.slug)
        for run in found.runs(project.slug, workflow.name, ALL_BRANCHES, NOON - RETENTION, NOON)
    )
    assert sum(tally.runs for tally in tallies) == expected > 5000
    assert found.truth(NOON) == []
