from __future__ import annotations

import pytest

from exporter.demo.times import read, written


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert written(1_790_078_400.5004) == "2026-09-22T12:00:00.500Z"
    assert written(1_790_078_400.9996) == "2026-09-22T12:00:01.000Z"


@pytest.mark.parametrize(
    "text", ["2026-09-22T12:00:00Z", "2026-09-22T12:00:00.000Z", "2026-09-22T14:00:00+02:00", "2026-09-22T12:00:00"]
)
def test_times_are_read_in_every_form(text: str) -> None:
    assert read(text) == 1_790_078_400.0


def test_a_bare_date_is_its_midnight() -> None:
    assert written(read("2026-09-22")) == "2026-09-22T00:00:00.000Z"


def test_what_is_written_reads_back() -> None:
    assert read(written(1_790_078_400.123)) == 1_790_078_400.123


def test_nonsense_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        read("nonsense")
