from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from exporter.client.headers import Quota, lowest, quotas, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

WALL = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time zone is not that of HTTP's dates."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("9" * 400, float("inf")),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Friday, 15-Jan-27 08:01:30 GMT", 90.0),
        ("Fri Jan 15 08:01:30 2027", 90.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_any_of_the_three_forms_of_a_date(
    value: str, seconds: float, elsewhere: None
) -> None:
    assert retry_after({"Retry-After": value}, WALL) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "0", "-5", "soon", "1e3", "0x10", "Fri, 15 Jan 2027 07:59:00 GMT", "Fri, 99 Jan 99999 99:99:99 GMT", "٣"],
)
def test_retry_after_that_is_over_or_unreadable_says_nothing(value: str) -> None:
    assert retry_after({"Retry-After": value}, WALL) is None


def test_an_absent_retry_after_says_nothing() -> None:
    assert retry_after({}, WALL) is None


def test_a_date_is_relative_to_the_servers_own_clock() -> None:
    headers = {"Retry-After": "Fri, 15 Jan 2027 10:00:30 GMT", "Date": "Fri, 15 Jan 2027 10:00:00 GMT"}
    assert retry_after(headers, WALL) == 30.0


def test_every_family_of_rate_limits_is_read() -> None:
    headers = {
        "RateLimit-Limit": "100, 100;w=60",
        "RateLimit-Remaining": "12",
        "RateLimit-Reset": "30",
        "X-RateLimit-Limit": "300",
        "X-RateLimit-Remaining": "299",
        "X-RateLimit-Reset": "1",
        "X-RateLimit-Limit-Minute": "1000",
        "X-RateLimit-Remaining-Minute": "998",
    }
    assert quotas(headers) == (Quota(12, 100, 30), Quota(299, 300, 1), Quota(998, 1000, 60))


@pytest.mark.parametrize(
    ("unit", "reset"), [("", 60), ("-Second", 1), ("-Minute", 60), ("-Hour", 3600), ("-Day", 86400)]
)
def test_a_family_without_a_reset_lasts_as_long_as_its_unit(unit: str, reset: float) -> None:
    assert quotas({f"X-RateLimit-Remaining{unit}": "5"}) == (Quota(5, None, reset),)


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Limit": "300"}, {"RateLimit-Remaining": "plenty"}])
def test_a_family_without_a_readable_remaining_is_left_out(headers: dict[str, str]) -> None:
    assert quotas(headers) == ()


def test_where_the_families_differ_the_lower_one_holds() -> None:
    assert lowest((Quota(40, 100, 60), Quota(7, 1000, 60))) == Quota(7, 1000, 60)
    assert lowest(()) is None


@pytest.mark.parametrize(
    ("quota", "spent"),
    [
        (Quota(31, 300, 1), False),
        (Quota(30, 300, 1), True),
        (Quota(11, None, 60), False),
        (Quota(10, None, 60), True),
        (Quota(0, 5, 60), True),
        (Quota(1, 5, 60), True),
        (Quota(2, 5, 60), False),
    ],
)
def test_a_tenth_of_a_limit_or_ten_requests_are_nearly_nothing(quota: Quota, spent: bool) -> None:
    assert quota.nearly_spent is spent


def test_the_gap_spreads_what_is_left_until_the_reset() -> None:
    assert Quota(5, 300, 60).gap == 12
    assert Quota(0, 300, 60).gap == 60
