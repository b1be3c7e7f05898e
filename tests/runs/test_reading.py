from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import PayloadError
from exporter.runs.reading import Run, key_of, read_page
from tests.counting.making import DAY, NOW, row, written

if TYPE_CHECKING:
    from collections import Counter


def read(*rows: Any) -> tuple[list[Run], Counter[str]]:
    return read_page({"items": list(rows), "next_page_token": None}, NOW)


def test_a_row_becomes_a_run_with_its_creation_in_whole_seconds() -> None:
    runs, unread = read(row(created_at=written(NOW + 0.75)))
    assert runs == [Run(key_of(row()["id"]), "main", NOW, "success", NOW + 62.0, 61, 24)]
    assert not unread


def test_an_id_in_upper_case_is_the_same_run() -> None:
    [one, other], _ = read(row(), row(id=row()["id"].upper()))
    assert (one.key, one.id) == (other.key, other.id)


@pytest.mark.parametrize("status", ["success", "failed", "error", "canceled", "unauthorized"])
def test_a_documented_status_is_final_even_without_a_stop(status: str) -> None:
    [found], _ = read(row(status=status, stopped_at=None))
    assert (found.status, found.stopped_at) == (status, None)


def test_a_null_status_is_a_run_that_has_not_finished() -> None:
    [found], unread = read(row(status=None, stopped_at=None, duration=None))
    assert (found.status, found.duration) == ("", None)
    assert not unread


def test_an_invented_status_is_final_only_with_a_stop() -> None:
    [held, ended], _ = read(row(id="a", status="on_hold", stopped_at=None), row(id="b", status="abandoned"))
    assert (held.status, ended.status) == ("", "abandoned")


@pytest.mark.parametrize("branch", [None, ""])
def test_a_run_without_a_branch_is_a_run_all_the_same(branch: str | None) -> None:
    [found], unread = read(row(branch=branch))
    assert found.branch == ""
    assert not unread


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", ""),
        ("id", 7),
        ("branch", ["main"]),
        ("branch", "lone \ud800 surrogate"),
        ("created_at", None),
        ("created_at", "yesterday"),
        ("created_at", NOW),
        ("id", "cut\0short"),
        ("branch", "cut\0short"),
        ("status", "cut\0short"),
        ("status", False),
    ],
)
def test_a_row_that_cannot_be_told_from_others_is_left_out_and_counted(field: str, value: Any) -> None:
    runs, unread = read(row(**{field: value}), row(id="good"))
    assert [found.key for found in runs] == [key_of("good")]
    assert unread == {field: 1}


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read_as"),
    [
        ("duration", "61", "duration", None),
        ("duration", -1, "duration", None),
        ("duration", 2**53 + 1, "duration", None),
        ("credits_used", -3, "credits", 0),
        ("credits_used", {}, "credits", 0),
        ("is_approval", "yes", "approval", False),
        ("stopped_at", 12, "stopped_at", None),
    ],
)
def test_another_field_that_cannot_be_read_costs_no_more_than_itself(
    field: str, value: Any, attribute: str, read_as: object
) -> None:
    [found], unread = read(row(**{field: value}))
    assert getattr(found, attribute) == read_as
    assert unread == {field: 1}


@pytest.mark.parametrize("value", [None, 0])
def test_null_credits_are_none_and_a_real_0_is_0(value: int | None) -> None:
    [found], unread = read(row(credits_used=value))
    assert found.credits == 0
    assert not unread


def test_a_run_created_more_than_a_day_ahead_is_left_out_and_counted() -> None:
    runs, unread = read(row(created_at=written(NOW + DAY + 1)), row(id="good", created_at=written(NOW + DAY)))
    assert [found.key for found in runs] == [key_of("good")]
    assert unread == {"created_at": 1}


@pytest.mark.parametrize(("status", "read_as"), [("failed", "failed"), ("abandoned", "")])
def test_a_stop_more_than_a_day_ahead_is_none(status: str, read_as: str) -> None:
    [found], unread = read(row(status=status, stopped_at=written(NOW + DAY + 1)))
    assert (found.status, found.stopped_at) == (read_as, None)
    assert unread == {"stopped_at": 1}


def test_a_page_of_nothing_but_runs_ahead_has_no_run() -> None:
    runs, unread = read(row(created_at=written(NOW + 40 * DAY)), row(id="b", created_at=written(NOW + 2 * DAY)))
    assert runs == []
    assert unread == {"created_at": 2}


def test_a_row_that_is_no_object_is_left_out_and_counted() -> None:
    assert read("a run", row()) == (read(row())[0], {"items": 1})


def test_a_page_without_a_list_is_refused() -> None:
    with pytest.raises(PayloadError):
        read_page({"items": None}, NOW)


def test_keys_are_integers_that_sqlite_holds() -> None:
    assert all(-(2**63) <= key_of(str(number)) < 2**63 for number in range(1000))
    assert len({key_of(str(number)) for number in range(100_000)}) == 100_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(row())), JSON))
def test_no_row_makes_anything_but_a_run_or_a_count(changes: dict[str, Any]) -> None:
    runs, unread = read(row(**changes))
    assert runs or unread
    for found in runs:
        assert found.credits >= 0
        assert found.duration is None or found.duration >= 0
