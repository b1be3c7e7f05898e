"""What is asked next, purely from settings and what is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.errors import PayloadError
from exporter.insights.collectors import COLLECTORS
from exporter.insights.questions import ALL_BRANCHES
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Facts, Outcome, Part, Snapshot
from tests.knowledge.samples import FACTS, NOW, part, project, snapshot, workflow_row


def asked_of(known: Snapshot, collector: str) -> list[tuple[str, str, str]]:
    questions = plan.questions(COLLECTORS[collector], known)
    return [(question.workflow, question.branch, question.window or question.granularity) for question in questions]


def test_the_default_branch_has_its_real_name() -> None:
    assert plan.branches(project(), FACTS) == ["main"]


def test_a_scope_that_is_asked_for_twice_is_one_scope() -> None:
    facts = replace(FACTS, branches=("main", "release/1", "release/2", "dev"))
    wanted = project("branches: [main, dev, 'release/*', release/2]\nall_branches: true")
    assert plan.branches(wanted, facts) == ["main", "dev", "release/2", "release/1", ALL_BRANCHES]


def test_globs_are_expanded_from_the_branches_that_insights_knows() -> None:
    facts = replace(FACTS, branches=("release/2", "dev", "release/1"))
    wanted = project("default_branch: false\nbranches: ['release/*', 'hotfix/*']")
    assert plan.branches(wanted, facts) == ["release/1", "release/2"]
    assert plan.branches(wanted, None) == []


def test_globs_add_a_bounded_number_of_branches_and_the_rest_is_counted() -> None:
    facts = replace(FACTS, branches=tuple(f"f/{n:04}" for n in range(plan.GLOB_BRANCHES + 7)))
    wanted = project("branches: ['f/*']")
    assert len(plan.branches(wanted, facts)) == 1 + plan.GLOB_BRANCHES
    assert plan.left_out(wanted, facts) == 7


@pytest.mark.parametrize("facts", [None, replace(FACTS, default_branch="")])
def test_a_default_branch_that_is_not_known_is_an_error_that_names_the_remedy(facts: None) -> None:
    with pytest.raises(PayloadError, match="set default_branch: false and list branches"):
        plan.branches(project(), facts)


def test_workflows_are_asked_for_in_every_scope_and_window() -> None:
    known = snapshot("windows: [last-7-days, last-24-hours]\nbranches: [dev]\nall_branches: true")
    assert asked_of(known, "workflows") == [
        ("", branch, window) for branch in ("main", "dev", ALL_BRANCHES) for window in ("last-7-days", "last-24-hours")
    ]


def test_jobs_are_asked_for_by_the_workflows_of_the_same_scope_and_window() -> None:
    known = snapshot("windows: [last-7-days, last-24-hours]", ("build", "deploy"))
    assert asked_of(known, "jobs") == [("build", "main", "last-7-days"), ("deploy", "main", "last-7-days")]


def test_a_workflow_that_cannot_be_named_in_a_path_or_is_not_wanted_has_no_jobs() -> None:
    known = snapshot("workflows: {exclude: [docs]}", (".", "..", "docs", "a/b", "..."))
    assert [workflow for workflow, _, _ in asked_of(known, "jobs")] == ["...", "a/b"]


def test_what_repeats_over_a_workflow_and_branch_is_asked_once_whatever_the_windows() -> None:
    known = snapshot(
        "windows: [last-7-days, last-24-hours]\ncollectors: [workflow_summary, job_trend]\nbranches: [dev]"
    )
    (longer,) = COLLECTORS["workflows"].questions("gh/acme/web", branch="main", windows=["last-24-hours"])
    known = replace(known, parts={**known.parts, longer: part("workflows", [workflow_row("build"), workflow_row("x")])})
    assert asked_of(known, "workflow_summary") == [("build", "main", ""), ("x", "main", "")]
    assert asked_of(known, "job_trend") == [
        (workflow, "main", granularity) for workflow in ("build", "x") for granularity in ("daily", "hourly")
    ]


def test_workflows_are_asked_for_whenever_another_collector_repeats_over_them() -> None:
    assert [collector.name for collector in plan.collectors(("jobs",))] == ["workflows", "jobs"]
    assert [collector.name for collector in plan.collectors(("flaky_tests",))] == ["flaky_tests"]
    assert plan.collectors(("runs",)) == ()


def test_what_is_no_longer_asked_goes() -> None:
    known = snapshot(workflows=("build", "deploy"))
    workflows = next(iter(known.parts))
    fewer = replace(known, parts={**known.parts, workflows: part("workflows", [workflow_row("build")])})
    kept, gone, lacks = plan.pruned(fewer)
    assert [question.workflow for question in gone] == ["deploy"]
    assert [question.workflow for question in kept.parts] == ["", "build"]
    assert plan.pruned(kept) == (kept, [], lacks)
    assert lacks == plan.missing(kept)


def test_a_workflow_whose_list_has_expired_keeps_its_jobs_until_they_expire_themselves() -> None:
    known = snapshot("stale_after: 1h")
    workflows = next(iter(known.parts))
    old = replace(known, parts={**known.parts, workflows: replace(known.parts[workflows], checked_at=0.0)})
    assert plan.pruned(old)[:2] == (old, [])


@pytest.mark.parametrize("facts", [None, replace(FACTS, default_branch="")])
def test_what_cannot_be_told_to_be_asked_no_longer_stays(facts: Facts | None) -> None:
    known = snapshot("collectors: [workflows, jobs, flaky_tests]")
    (flaky,) = COLLECTORS["flaky_tests"].questions("gh/acme/web")
    (gone,) = COLLECTORS["project"].questions("gh/acme/web", windows=["last-7-days"])
    answer = Part(b"", NOW, NOW)
    unsure = replace(known, facts=facts, parts={**known.parts, flaky: answer, gone: answer})
    kept, dropped, _ = plan.pruned(unsure)
    assert kept.parts == {**known.parts, flaky: answer}
    assert dropped == [gone]


def test_something_is_missing_until_everything_that_is_asked_has_an_answer() -> None:
    whole, more = snapshot(), project("windows: [last-7-days, last-24-hours]")
    lacking = [Snapshot(project()), replace(whole, parts={}), replace(whole, project=more), replace(whole, facts=None)]
    assert [plan.missing(each) for each in lacking] == [True] * 4
    assert [plan.pruned(each).lacks for each in lacking] == [True] * 4
    assert (plan.missing(whole), plan.pruned(whole).lacks) == (False, False)


def test_a_collector_that_is_no_longer_polled_has_no_outcome() -> None:
    outcome = Outcome(success=True, duration=1, finished_at=NOW)
    names = ("workflows", "jobs", "runs", "flaky_tests", "one of another version")
    known = Snapshot(project("collectors: [jobs, runs]"), outcomes=dict.fromkeys(names, outcome))
    assert set(plan.pruned(known)[0].outcomes) == {"workflows", "jobs", "runs"}


def test_counters_leave_the_gauges_what_they_have_and_half_while_they_are_not_known() -> None:
    good, bad = Outcome(True, 1.0, NOW, NOW), Outcome(False, 1.0, NOW, None, error="HTTP 500")
    known = Snapshot(project("max_series: 100\ncollectors: [workflows, jobs, runs]"), beside=30)
    assert plan.counters_limit(known) == 50
    assert plan.counters_limit(replace(known, outcomes={"workflows": good, "jobs": good})) == 70
    assert plan.counters_limit(replace(known, outcomes={"workflows": good, "jobs": bad})) == 50
    assert plan.counters_limit(replace(known, beside=60)) == 40
    assert plan.counters_limit(Snapshot(project("max_series: 100\ncollectors: [runs]"))) == 100
