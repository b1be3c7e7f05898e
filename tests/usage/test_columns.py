"""How the text of a column becomes a value: null in both spellings, times without a zone, amounts without a sign."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from exporter.errors import PayloadError
from exporter.insights.payloads import Unreadable
from exporter.usage import columns

NULLS = ["", r"\N"]


@pytest.mark.parametrize("null", NULLS)
def test_null_and_nothing_are_null(null: str) -> None:
    assert columns.millionths(null) == 0
    assert (columns.percent(null), columns.day(null), columns.moment(null)) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "millionths"),
    [
        ("0", 0),
        ("51", 51_000_000),
        ("0.1", 100_000),
        ("1e3", 10**9),
        ("0.000001", 1),
        (" 7 ", 7_000_000),
        ("2.50", 2_500_000),
    ],
)
def test_an_amount_is_exact_to_the_millionth(text: str, millionths: int) -> None:
    assert columns.millionths(text) == millionths


@pytest.mark.parametrize("text", ["-1", "-0.5", "nan", "inf", "-inf", "1e17", "1_0", "N", "null", "12 credits", "0x10"])
def test_what_no_counter_can_add_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        columns.millionths(text)
    with pytest.raises(Unreadable):
        columns.percent(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 09:00:01.420",
        "2026-11-20T09:00:01.420Z",
        "2026-11-20 10:00:01.42+01:00",
        "2026-11-20 09:00:01.420000",
    ],
)
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    moment = columns.moment(text)
    assert moment is not None
    assert moment.replace(tzinfo=UTC) == datetime(2026, 11, 20, 9, 0, 1, 420_000, tzinfo=UTC)
    assert moment - datetime(2026, 11, 20) == timedelta(hours=9, seconds=1.42)  # noqa: DTZ001  as it is read


@pytest.mark.parametrize("text", ["2026-11-20", "2026-11-20 23:59:59.999", "2026-11-21 00:30:00+01:00"])
def test_a_day_is_that_of_a_date_or_a_time(text: str) -> None:
    assert columns.day(text) == date(2026, 11, 20).toordinal()


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "20/11/2026", "0001-01-01 00:00:00+23:00"])
def test_what_is_no_time_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        columns.moment(text)
    with pytest.raises(Unreadable):
        columns.day(text)


def test_an_id_is_the_same_in_any_case_and_nothing_but_a_uuid() -> None:
    assert columns.uuid("2E9C7B10-4D5F-4A61-8B72-93A4B5C6D7E8") == "2e9c7b10-4d5f-4a61-8b72-93a4b5c6d7e8"
    for text in ("", r"\N", "9001", "2e9c7b104d5f4a618b7293a4b5c6d7e8", "2e9c7b10-4d5f-4a61-8b72-93a4b5c6d7e8x"):
        assert columns.uuid(text) is None


def test_columns_are_chosen_by_name_the_first_of_two_and_null_where_one_is_missing() -> None:
    take, missing = columns.chosen([" job_id ", "x", "Job_Build_Status", "JOB_ID"])
    assert take(["1", "2", "3", "4"]) == ("1", "3", *("",) * (len(columns.READ) - 2))
    assert set(missing) == set(columns.READ) - {"JOB_ID", "JOB_BUILD_STATUS"}
    take, missing = columns.chosen([*reversed(columns.READ)])
    assert missing == ()
    assert take([*reversed(columns.READ)]) == columns.READ


@pytest.mark.parametrize("header", [[], ["JOB_ID"], ["JOB_BUILD_STATUS", "ID"], ["<html>"]])
def test_a_file_in_which_no_run_can_be_told_from_another_is_refused(header: list[str]) -> None:
    with pytest.raises(PayloadError):
        columns.chosen(header)
