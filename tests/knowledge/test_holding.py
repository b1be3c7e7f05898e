"""Which answers hold though nobody asked for them, purely from what is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.insights.collectors import COLLECTORS
from exporter.knowledge import holding
from exporter.knowledge.snapshots import Part
from tests.knowledge.samples import NOW, project, workflow_row

if TYPE_CHECKING:
    from exporter.insights.questions import Question

JOBS, LISTS = COLLECTORS["jobs"], COLLECTORS["workflows"]
DAY, HOUR = 86_400.0, 3600.0
WINDOWS = ("last-24-hours", "last-7-days", "last-30-days", "last-60-days", "last-90-days")


def test_a_digest_changes_with_any_field_of_the_row_and_with_no_other_order_of_it() -> None:
    row = workflow_row("build")
    shuffled = dict(reversed(row.items()))
    other = workflow_row("build", total_recoveries=1)
    assert holding.digests([row]) == holding.digests([shuffled])
    assert holding.digests([row]).keys() == {"build"}
    assert holding.digests([row]) != holding.digests([other])
    assert holding.digests([{"name": 3}, "x", {}]) == {}


def test_jobs_hold_while_the_row_of_their_workflow_is_the_same_and_no_longer_than_their_greatest_age() -> None:
    part = holding.answered(None, b"rows", NOW, "d1")

    def holds(digest: str | None, now: float) -> bool:
        return holding.may_hold(JOBS, project(), part, digest, now)

    assert holds("d1", NOW + 1)
    assert not holds("d2", NOW + 1)
    assert not holds(None, NOW + 1)
    assert not holds("d1", NOW - 1), "an answer from the future"
    assert holds("d1", NOW + DAY - 1)
    assert not holds("d1", NOW + DAY)


def test_a_window_holds_until_it_is_stale_and_what_does_not_alternate_never() -> None:
    part = Part(b"rows", NOW, NOW)

    def holds(collector: str, now: float) -> bool:
        return holding.may_hold(COLLECTORS[collector], project("stale_after: 90m"), part, None, now)

    assert holds("workflows", NOW + 1.5 * HOUR - 1)
    assert not holds("workflows", NOW + 1.5 * HOUR)
    assert not holds("workflows", NOW - 1), "an answer from the future"
    assert holds("project", NOW + HOUR)
    assert not holds("workflow_summary", NOW + 1)
    assert not holds("flaky_tests", NOW + 1)


def asked(parts: dict[Question, Part]) -> list[list[str]]:
    """Of each sample, what is asked while nothing has changed."""
    collector = COLLECTORS[next(iter(parts)).collector]
    return [
        [question.workflow or question.window for question in sample.questions[: sample.wanted]]
        for sample in holding.samples(collector, parts)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_each_window_is_asked_for_at_every_second_poll_at_least(count: int) -> None:
    windows = WINDOWS[:count]
    parts = {
        question: Part(b"rows", NOW, NOW) for question in LISTS.questions("gh/a/b", branch="main", windows=windows)
    }
    last = dict.fromkeys(parts, 0)
    for poll in range(1, 20):
        now = NOW + HOUR * poll
        (sample,) = holding.samples(LISTS, parts)
        assert sample.wanted == holding.half(count) == (count + 1) // 2
        for number, question in enumerate(sample.questions):
            if number < sample.wanted:
                parts[question] = holding.answered(parts[question], b"rows", now, None)
                last[question] = poll
            else:
                parts[question] = holding.held(parts[question], now)
        assert min(last.values()) >= poll - 1
        assert {part.checked_at for part in parts.values()} == {now}


def jobs(follow_ups: dict[str, int]) -> dict[Question, Part]:
    """The parts of these workflows in two windows, answered one after the other."""
    questions = [
        question
        for workflow in follow_ups
        for question in JOBS.questions("gh/a/b", workflow=workflow, branch="main", windows=WINDOWS[:2])
    ]
    return {
        question: Part(b"rows", NOW, NOW + number, b"", "d1", follow_ups[question.workflow])
        for number, question in enumerate(questions)
    }


def test_after_a_change_one_question_stands_for_all_and_then_one_window_of_each_workflow() -> None:
    changed = holding.answered(Part(b"rows", NOW, NOW, b"", "d0"), b"rows", NOW, "d1")
    assert changed.follow_ups == holding.CHANGED
    last = holding.held(changed, NOW)
    assert last.follow_ups == holding.LAST_LOOK
    assert holding.held(last, NOW).follow_ups == holding.answered(last, b"other", NOW, "d1").follow_ups == 0
    assert asked(jobs({"build": holding.CHANGED, "deploy": holding.CHANGED})) == [["build"]]
    assert asked(jobs({"build": holding.LAST_LOOK, "deploy": holding.LAST_LOOK})) == [["build"], ["deploy"]]
    assert asked(jobs({"build": holding.SETTLED})) == []


def test_what_is_known_for_the_first_time_with_its_list_is_looked_at_once_more_two_polls_later() -> None:
    new = holding.answered(None, b"rows", NOW, "d1", known=False)
    assert asked(jobs({"build": new.follow_ups, "deploy": new.follow_ups})) == []
    look = holding.held(new, NOW)
    assert asked(jobs({"build": look.follow_ups, "deploy": look.follow_ups})) == [["build"]]
    assert holding.held(look, NOW).follow_ups == holding.SETTLED
    assert holding.answered(None, b"rows", NOW, "d1", known=True).follow_ups == holding.CHANGED


def test_an_answer_without_a_digest_is_asked_for_again() -> None:
    part = holding.answered(None, b"rows", NOW, None)
    assert not holding.may_hold(JOBS, project(), part, "d1", NOW)


def test_what_was_not_asked_for_is_confirmed_and_keeps_when_it_was_answered() -> None:
    part = Part(b"rows", NOW, NOW - 5, b"before", "d1", holding.CHANGED)
    assert holding.held(part, NOW + 7) == replace(part, checked_at=NOW + 7, follow_ups=holding.LAST_LOOK)


def test_a_part_remembers_the_rows_before_a_change() -> None:
    first = holding.answered(None, b"one", NOW, None)
    assert (first.previous, first.rows) == (b"", b"one")
    same = holding.answered(first, b"one", NOW + 1, None)
    assert (same.previous, same.checked_at, same.answered_at) == (b"", NOW + 1, NOW + 1)
    changed = holding.answered(same, b"two", NOW + 2, None)
    assert (changed.previous, changed.rows) == (b"one", b"two")
    assert holding.answered(changed, b"two", NOW + 3, None).previous == b"one"
    assert isinstance(changed, Part)
