"""What the runner API's payloads become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.errors import PayloadError
from exporter.runners import questions
from exporter.runners.answers import read
from tests.circleci.runners import runner

LINUX = "acme/linux"
NOW = datetime(2026, 11, 20, 9, 0, 30, tzinfo=UTC).timestamp()
LIST = questions.runners(LINUX, ())


def test_a_count_is_read_as_it_was_sent_and_zero_is_a_number() -> None:
    assert read(questions.unclaimed(LINUX), {"unclaimed_task_count": 3}, NOW).rows == [((LINUX,), (3,))]
    assert read(questions.running(LINUX), {"running_runner_tasks": 0}, NOW).rows == [((LINUX,), (0,))]


def test_a_count_of_null_is_no_row_and_no_mistake() -> None:
    reading = read(questions.unclaimed(LINUX), {"unclaimed_task_count": None}, NOW)
    assert (reading.rows, reading.unread) == ([], {})


@pytest.mark.parametrize("value", ["3", True, [3], float("nan"), float("inf"), 10**400])
def test_a_count_that_is_no_number_is_counted_as_unreadable(value: object) -> None:
    reading = read(questions.running(LINUX), {"running_runner_tasks": value}, NOW)
    assert (reading.rows, reading.unread) == ([], {"running_runner_tasks": 1})


@pytest.mark.parametrize("payload", [{}, [], [{"unclaimed_task_count": 1}], None, {"message": "hello"}, "3", 3])
def test_an_answer_without_the_count_fails(payload: object) -> None:
    with pytest.raises(PayloadError):
        read(questions.unclaimed(LINUX), payload, NOW)


def test_classes_are_the_texts_of_the_list_and_others_are_counted() -> None:
    items = [{"resource_class": LINUX}, {"resource_class": None}, {}, "acme/mac", {"resource_class": "acme/mac"}]
    reading = read(questions.classes("acme"), {"items": items}, NOW)
    assert [labels for labels, _ in reading.rows] == [(LINUX,), ("acme/mac",)]
    assert reading.unread == {"resource_class": 3}


@pytest.mark.parametrize("payload", [{}, {"items": None}, {"items": {}}, [], [runner(LINUX)], None])
def test_a_list_that_is_none_fails(payload: object) -> None:
    for question in (questions.classes("acme"), LIST):
        with pytest.raises(PayloadError):
            read(question, payload, NOW)


@pytest.mark.parametrize(
    ("last_connected", "state", "unread"),
    [
        ("2026-11-20T09:00:30.000Z", "connected", {}),
        ("2026-11-20T08:55:30.000Z", "connected", {}),  # exactly 5 minutes ago
        ("2026-11-20T08:55:29.999Z", "lost", {}),
        ("2026-11-20T10:00:30.000+01:00", "connected", {}),
        ("2026-11-20T09:00:30", "connected", {}),  # without a zone it is UTC
        ("2026-11-20T09:07:00Z", "connected", {}),  # its clock is ahead
        (None, "lost", {}),
        ("yesterday", "lost", {"last_connected": 1}),
        (1795165201, "lost", {"last_connected": 1}),
    ],
)
def test_a_runner_is_connected_for_five_minutes_after_its_last_contact(
    last_connected: Any, state: str, unread: dict[str, int]
) -> None:
    reading = read(LIST, {"items": [runner(LINUX, last_connected=last_connected)]}, NOW)
    assert dict(reading.rows) == {
        (LINUX, "connected", "3.1.5"): (int(state == "connected"),),
        (LINUX, "lost", "3.1.5"): (int(state == "lost"),),
    }
    assert reading.unread == unread


def test_runners_are_counted_by_class_and_version_with_both_states_of_each() -> None:
    items = [runner(LINUX), runner(LINUX), runner(LINUX, last_connected=None), runner(LINUX, "3.0"), runner("acme/mac")]
    assert dict(read(LIST, {"items": items}, NOW).rows) == {
        (LINUX, "connected", "3.1.5"): (2,),
        (LINUX, "lost", "3.1.5"): (1,),
        (LINUX, "connected", "3.0"): (1,),
        (LINUX, "lost", "3.0"): (0,),
        ("acme/mac", "connected", "3.1.5"): (1,),
        ("acme/mac", "lost", "3.1.5"): (0,),
    }


def test_a_runner_of_no_known_class_or_version_costs_itself_alone() -> None:
    items = [runner(LINUX), {**runner(LINUX), "resource_class": 7}, {**runner(LINUX), "version": {}}, None]
    reading = read(LIST, {"items": items}, NOW)
    assert sum(value or 0 for _, (value,) in reading.rows) == 1
    assert reading.unread == {"resource_class": 2, "version": 1}


def test_a_runner_without_a_version_has_an_empty_one() -> None:
    rows = dict(read(LIST, {"items": [runner(LINUX, None)]}, NOW).rows)
    assert rows == {(LINUX, "connected", ""): (1,), (LINUX, "lost", ""): (0,)}
