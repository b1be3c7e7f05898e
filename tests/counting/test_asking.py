from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.counting.asking import due_names, listing, recent, start_of, sweep_is_due, wanted
from exporter.counting.ledger import WorkflowLedger
from tests.counting.making import DAY, LOOKBACK, NOW, WEB, ledger
from tests.knowledge.samples import project


def test_the_names_are_asked_for_on_all_branches_of_the_longest_window() -> None:
    question = listing("gh/acme/web")
    assert question.path == "/insights/gh/acme/web/workflows"
    assert question.params == (("all-branches", "true"), ("reporting-window", "last-90-days"))


def test_runs_are_asked_for_on_all_branches_since_a_whole_second_in_utc() -> None:
    question = recent("gh/acme/web", "build and/or test", NOW)
    assert question.path == "/insights/gh/acme/web/workflows/build%20and%2For%20test"
    assert question.params == (("all-branches", "true"), ("start-date", "2026-09-21T14:13:20Z"))


def test_the_names_are_asked_for_hourly_and_after_a_clock_was_set_back() -> None:
    known = replace(ledger(), workflows={"build": WorkflowLedger(NOW)})
    assert not due_names(known, WEB, NOW + 3599)
    assert due_names(known, WEB, NOW + 3600)
    assert not due_names(known, WEB, NOW)
    assert due_names(known, WEB, NOW - 0.5)
    assert due_names(known, WEB, NOW - 1)


def test_the_names_are_asked_for_each_time_while_there_are_no_runs_to_ask_for() -> None:
    known = replace(ledger(), workflows={"build": WorkflowLedger(NOW)})
    assert due_names(known, project("workflows: {exclude: [build]}"), NOW)
    assert due_names(replace(known, workflows={}), WEB, NOW)


def test_only_workflows_that_are_listed_wanted_and_reachable_are_read() -> None:
    names = {"build", "nightly", "gone", ".", ".."}
    workflow = WorkflowLedger(NOW)
    known = replace(ledger(), workflows=dict.fromkeys(names, workflow) | {"gone": replace(workflow, unlisted_at=NOW)})
    assert wanted(known, WEB) == ["build", "nightly"]
    assert wanted(known, project("workflows: {exclude: [night*]}")) == ["build"]


def test_the_first_look_goes_back_by_the_lookback() -> None:
    assert start_of(WorkflowLedger(0, baseline=True), NOW, LOOKBACK) == NOW - LOOKBACK


def test_a_workflow_that_appeared_later_is_read_from_where_the_project_began() -> None:
    assert start_of(WorkflowLedger(NOW - 20 * DAY), NOW, LOOKBACK) == NOW - 20 * DAY


@pytest.mark.parametrize("days", [0, 1, 30])
def test_a_downtime_of_any_length_is_read_in_whole(days: int) -> None:
    polled_at = NOW - days * DAY
    assert start_of(WorkflowLedger(0, polled_at=polled_at), NOW, LOOKBACK) == polled_at - LOOKBACK


def test_nothing_is_asked_for_beyond_90_days() -> None:
    assert start_of(WorkflowLedger(0, polled_at=NOW - 89 * DAY), NOW, LOOKBACK) == NOW - 90 * DAY


def test_nothing_is_asked_for_of_which_nothing_is_remembered() -> None:
    assert start_of(WorkflowLedger(NOW - DAY, polled_at=NOW), NOW, LOOKBACK) == NOW - DAY
    assert start_of(WorkflowLedger(0, NOW - DAY, polled_at=NOW), NOW, LOOKBACK) == NOW - DAY


@pytest.mark.parametrize(
    "workflow", [WorkflowLedger(0, baseline=True, newest=NOW), WorkflowLedger(0, polled_at=NOW, newest=NOW)]
)
def test_a_clock_that_is_ahead_by_weeks_looks_no_later_than_the_newest_run(workflow: WorkflowLedger) -> None:
    assert start_of(workflow, NOW + 60 * DAY, LOOKBACK) == NOW - LOOKBACK


def test_a_run_of_the_future_moves_nothing() -> None:
    assert start_of(WorkflowLedger(0, polled_at=NOW - 5, newest=NOW + DAY), NOW, LOOKBACK) == NOW - 5 - LOOKBACK


def test_a_clock_that_was_set_back_makes_the_look_go_further_back() -> None:
    assert start_of(WorkflowLedger(0, polled_at=NOW + DAY), NOW, LOOKBACK) == NOW - LOOKBACK


def test_a_sweep_is_due_at_first_and_again_after_its_time() -> None:
    assert sweep_is_due(WorkflowLedger(0), NOW, 3600)
    assert not sweep_is_due(WorkflowLedger(0, swept_at=NOW), NOW + 3599, 3600)
    assert sweep_is_due(WorkflowLedger(0, swept_at=NOW), NOW + 3600, 3600)
    assert not sweep_is_due(WorkflowLedger(0, swept_at=NOW), NOW, 3600)
    assert sweep_is_due(WorkflowLedger(0, swept_at=NOW), NOW - 0.5, 3600)
    assert sweep_is_due(WorkflowLedger(0, swept_at=NOW), NOW - 1, 3600)
