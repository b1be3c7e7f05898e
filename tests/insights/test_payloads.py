"""Reading JSON safely: what is odd is counted and costs no more than itself."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest

from exporter.errors import ConflictError, PayloadError
from exporter.insights.payloads import (
    Column,
    Reading,
    Unreadable,
    at,
    items,
    number,
    optional_text,
    read_rows,
    text,
    timestamp,
    trend,
)

COLUMNS = (Column("metrics.total_runs"), Column("metrics.mttr"))


@pytest.mark.parametrize("value", [0, 1, -3, 0.5975609756097561, 16216608, 2**53 + 1])
def test_a_number_is_kept_as_it_was_sent(value: float) -> None:
    assert number(value) == value
    assert type(number(value)) is type(value)


@pytest.mark.parametrize("value", ["1", True, False, [], {}, math.nan, math.inf, -math.inf, 10**400])
def test_what_is_no_finite_number_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable):
        number(value)


def test_null_is_no_number_and_not_zero() -> None:
    assert number(None) is None
    assert number(0) == 0


@pytest.mark.parametrize(("value", "expected"), [(-1.0, None), (-1, None), (1.25, 1.25), (0, 0), (None, None)])
def test_an_infinite_trend_is_no_number(value: float | None, expected: float | None) -> None:
    assert trend(value) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("2020-01-15T03:20:24.927Z", 1579058424.927),
        ("2020-01-15T04:20:24.927+01:00", 1579058424.927),
        ("2020-01-15T03:20:24.927", 1579058424.927),
        (None, None),
    ],
)
def test_a_date_becomes_seconds_since_the_epoch(written: str | None, expected: float | None) -> None:
    assert timestamp(written) == expected


@pytest.mark.parametrize("value", ["", "yesterday", 1579058424, "2020-13-45T00:00:00Z", ["2020-01-15T03:20:24Z"]])
def test_what_is_no_date_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable):
        timestamp(value)


@pytest.mark.parametrize("value", [None, "", 3, [], {}, json.loads('"\\ud800"')])
def test_what_cannot_be_a_label_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable):
        text(value)


def test_a_label_that_may_be_absent_is_empty_then() -> None:
    assert optional_text(None) == ""
    assert optional_text("") == ""
    assert optional_text("main") == "main"


def test_a_dotted_path_reaches_into_objects_and_finds_nothing_beyond_them() -> None:
    document = {"a": {"b": 3}, "c": [1]}
    assert at(document, "a.b") == 3
    assert at(document, "a.x.y") is None
    assert at(document, "c.0") is None
    assert at(document, "") is document


@pytest.mark.parametrize(
    ("page", "kind"),
    [({}, "null"), ({"items": {}}, "an object"), ({"items": "x"}, "a text"), ({"items": 3}, "a number"), ([], "null")],
)
def test_a_missing_list_is_an_error_that_says_what_stands_there(page: object, kind: str) -> None:
    with pytest.raises(PayloadError, match=f"^items should be a list, but is {kind}$"):
        items(page)


def test_a_field_of_the_wrong_type_costs_only_itself() -> None:
    page = {"items": [{"name": "build", "metrics": {"total_runs": "82", "mttr": 5}}]}
    reading = read_rows([page], "items", ("name",), COLUMNS)
    assert reading.rows == [(("build",), (None, 5))]
    assert reading.unread == {"metrics.total_runs": 1}


@pytest.mark.parametrize("odd", ["82", True, [], math.nan, math.inf, -math.inf, 10**400])
def test_neither_does_one_that_is_no_number_among_numbers(odd: object) -> None:
    columns = [Column(f"metrics.{name}") for name in ("first", "second", "third")]
    numbers = {"first": 1e308, "second": odd, "third": -(10**400) if odd == 10**400 else 1e308}
    reading = read_rows([{"items": [{"name": "build", "metrics": numbers}]}], "items", ("name",), columns)
    third = None if odd == 10**400 else 1e308
    assert reading.rows == [(("build",), (1e308, None, third))]
    assert reading.unread == Counter({"metrics.second": 1, **({} if third else {"metrics.third": 1})})


def test_numbers_whose_sum_no_float_can_hold_are_numbers() -> None:
    columns = [Column(f"metrics.{name}") for name in ("first", "second")]
    page = {"items": [{"name": "build", "metrics": {"first": 1.5e308, "second": 1.5e308}}]}
    assert read_rows([page], "items", ("name",), columns).rows == [(("build",), (1.5e308, 1.5e308))]


@pytest.mark.parametrize("metrics", ["none", 7, [], True])
def test_what_stands_where_an_object_belongs_makes_all_that_is_in_it_unreadable(metrics: object) -> None:
    rows = read_rows([{"items": [{"name": "build", "metrics": metrics}]}], "items", ("name",), COLUMNS)
    assert rows.rows == [(("build",), (None, None))]
    assert rows.unread == {"metrics.total_runs": 1, "metrics.mttr": 1}


def test_nothing_where_an_object_belongs_is_no_number_and_no_mistake() -> None:
    rows = read_rows([{"items": [{"name": "build", "metrics": None}, {"name": "test"}]}], "items", ("name",), COLUMNS)
    assert [values for _, values in rows.rows] == [(None, None)] * 2
    assert not rows.unread


@pytest.mark.parametrize(("page", "kind"), [([], "a list"), (None, "null"), ("x", "a text"), (7, "a number")])
def test_an_answer_that_is_one_row_is_an_object(page: object, kind: str) -> None:
    with pytest.raises(PayloadError, match=f"should be an object, but is {kind}"):
        read_rows([page], "", (), COLUMNS)


def test_a_row_without_a_name_costs_only_that_row() -> None:
    page = {"items": [{"metrics": {}}, {"name": 7}, "x", {"name": "build", "metrics": {"total_runs": 1}}]}
    reading = read_rows([page], "items", ("name",), COLUMNS)
    assert reading.rows == [(("build",), (1, None))]
    assert reading.unread == {"name": 3}


def test_rows_of_all_pages_are_read_in_order() -> None:
    pages = [{"items": [{"name": "a"}]}, {"items": []}, {"items": [{"name": "b"}]}]
    assert [labels for labels, _ in read_rows(pages, "items", ("name",), ()).rows] == [("a",), ("b",)]


def test_two_rows_of_one_name_are_not_to_be_believed_also_across_pages() -> None:
    one, other = ({"name": "build", "metrics": {"total_runs": runs}} for runs in (1, 2))
    for pages in (
        [{"items": [one]}, {"items": [other]}],
        [{"items": [one, other]}],
        [{"items": [one]}, {"items": [{"name": "build"}]}],
    ):
        with pytest.raises(ConflictError, match="two rows are named 'build'"):
            read_rows(pages, "items", ("name",), COLUMNS)


def test_a_row_that_comes_again_unchanged_counts_once() -> None:
    build, lint = ({"name": name, "metrics": {"total_runs": runs}} for name, runs in (("build", 1), ("lint", 2)))
    pages = [{"items": [lint, build]}, {"items": [build]}]
    assert read_rows(pages, "items", ("name",), COLUMNS).rows == [(("lint",), (2, None)), (("build",), (1, None))]


def test_an_answer_that_is_one_row_needs_no_list() -> None:
    assert read_rows([{"metrics": {"total_runs": 2}}], "", (), COLUMNS).rows == [((), (2, None))]


def test_a_key_with_a_question_mark_may_be_absent_but_not_wrong() -> None:
    reading = Reading()
    reading.add([{"name": "a"}, {"name": "b", "class": "C"}, {"name": "c", "class": 3}], ("name", "?class"), ())
    assert [labels for labels, _ in reading.rows] == [("a", ""), ("b", "C")]
    assert reading.unread == {"class": 1}
