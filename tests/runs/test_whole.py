"""Which days were watched whole, and whether all that ended on them is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.runs.whole import caught_up, chosen, is_whole
from tests.counting.watched import pipeline
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED

DAY, HOUR = 86_400.0, 3600.0
PROJECT = project("collectors: [pipelines]")
UNTIL = CREATED + HOUR
"""The end of the day."""
LATER = UNTIL + HOUR


def live(*pipelines: WatchedPipeline, **changes: Any) -> Live:
    known = Live(CREATED - DAY, whole_from=CREATED - DAY, chosen=chosen(PROJECT), listed_at=LATER)
    return replace(known, pipelines={each.id: each for each in pipelines}, **changes)


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, True),
        ({"whole_from": CREATED}, True),
        ({"whole_from": CREATED + 1}, False),
        ({"whole_from": None}, False),
        ({"floor": CREATED + DAY}, True),
        ({"floor": CREATED + DAY + 1}, False),
        ({"chosen": "of before"}, False),
    ],
)
def test_a_day_is_whole_if_all_that_ended_since_it_began_is_kept(changes: dict[str, Any], whole: bool) -> None:
    assert is_whole(live(**changes), PROJECT, CREATED) is whole


def test_no_day_is_whole_without_jobs() -> None:
    without = project("collectors: [pipelines]\npipelines: {jobs: false}")
    assert not is_whole(live(chosen=chosen(without)), without, CREATED)


@pytest.mark.parametrize("settings", ["pipelines: {jobs: false}", "jobs: {exclude: [a]}", "workflows: {include: [a]}"])
def test_another_choice_of_job_runs_is_told_apart(settings: str) -> None:
    assert chosen(project(settings)) != chosen(project())
    assert chosen(project("interval: 2h")) == chosen(project())


RUNNING = WatchedRun("a", "build", "running", CREATED)


@pytest.mark.parametrize(
    ("found", "is_caught_up"),
    [
        (pipeline(runs=(RUNNING,), looked_at=UNTIL), True),
        (pipeline(runs=(RUNNING,), looked_at=UNTIL - 1), False),
        (pipeline(), False),
        (pipeline(created_at=UNTIL), True),
        (pipeline(settled_at=UNTIL - HOUR, revisits=3, looked_at=UNTIL - HOUR), True),
        (pipeline(settled_at=UNTIL - HOUR, revisits=1, looked_at=UNTIL - HOUR), False),
        (pipeline(settled_at=UNTIL - HOUR, revisits=3, wanted_at=UNTIL - 1), False),
        (pipeline(runs=(replace(RUNNING, counted=True),), looked_at=LATER), False),
        (pipeline(failures=5, failed_at=UNTIL - HOUR), True),
        (pipeline(failures=4, failed_at=UNTIL - HOUR), False),
        (pipeline(state="errored"), True),
    ],
)
def test_a_project_has_caught_up_once_looks_have_found_all_that_they_can(
    found: WatchedPipeline, is_caught_up: bool
) -> None:
    assert caught_up(live(found), PROJECT, UNTIL, now=LATER) is is_caught_up


def test_a_project_has_caught_up_only_with_a_list_that_was_read_or_covered_since() -> None:
    assert not caught_up(live(listed_at=None), PROJECT, UNTIL, now=LATER)
    assert not caught_up(live(listed_at=UNTIL - 1), PROJECT, UNTIL, now=LATER)
    assert caught_up(live(listed_at=None, covered_at=UNTIL), PROJECT, UNTIL, now=LATER)
    assert not caught_up(live(listed_at=UNTIL), PROJECT, UNTIL, now=LATER, ahead=5.0)
