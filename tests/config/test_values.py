"""Kinds of value: durations, URLs, numbers, names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from exporter.config import values
from exporter.config.values import api_root, is_loopback, read_duration, write_duration


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("1d", 86400), ("007s", 7)])
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1.5h", "-1s", "1 h", "1H", "1h30m", "1w", "1ms", "٣s", "1s\n", "1" * 10 + "s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        read_duration(text)


@given(st.integers(1, 10**8))
def test_a_duration_survives_being_written(seconds: int) -> None:
    assert read_duration(write_duration(float(seconds))) == seconds


def test_a_duration_is_written_in_its_largest_whole_unit() -> None:
    assert [write_duration(value) for value in (1.0, 90.0, 5400.0, 7200.0, 604800.0)] == [
        "1s",
        "90s",
        "90m",
        "2h",
        "7d",
    ]


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("https://circleci.com", "https://circleci.com"),
        ("https://circleci.com/", "https://circleci.com"),
        ("https://circleci.com/api/v2", "https://circleci.com"),
        ("https://circleci.com/api/v2/", "https://circleci.com"),
        ("HTTPS://CircleCI.Example.COM:8443//", "https://circleci.example.com:8443"),
        ("https://example.com/CI/api/v2", "https://example.com/CI"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_url_loses_its_slash_and_the_path_of_the_api(text: str, root: str) -> None:
    assert api_root(text) == root


@pytest.mark.parametrize(
    "text",
    [
        "",
        "circleci.com",
        "//circleci.com",
        "ftp://circleci.com",
        "https://",
        "https:///api/v2",
        "https://:443",
        "https://u@circleci.com",
        "https://u:p@circleci.com",
        "https://circleci.com?x=1",
        "https://circleci.com?",
        "https://circleci.com/#x",
        "https://circleci.com:0",
        "https://circleci.com:65536",
        "https://circleci.com:x",
        "https://[::1",
        "https://circle ci.com",
        "https://circleci.com\\@example.com",
        "https://circleci.com\n",
        "https://circleci\t.com",
    ],
)
def test_what_a_token_must_not_be_sent_to_is_no_url(text: str) -> None:
    with pytest.raises(ValueError):
        api_root(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("ci.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10:99", True),
        ("[::1]:80", True),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104  an address to be judged
        ("2130706433", False),
        ("[::2]", False),
    ],
)
def test_loopback_is_known_by_its_address_or_name(host: str, expected: bool) -> None:
    assert is_loopback(f"http://{host}/x") is expected


def complaint(
    kind: Any,
    value: object,
) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    (error,) = caught.value.errors()
    return str(error["msg"])


@pytest.mark.parametrize("value", ["0s", "366d", "", "x", 5, 5.0, None, True, [], {}])
def test_durations_are_text_within_limits(value: object) -> None:
    assert complaint(values.Duration, value) == "a duration such as 90s, 5m, 1h or 1d, from 1s to 365d"


@pytest.mark.parametrize("value", [0, 0.009, 1000.1, float("nan"), float("inf"), True, "5", None, []])
def test_numbers_are_numbers_within_limits(value: object) -> None:
    assert complaint(values.RequestRate, value) == "a number from 0.01 to 1,000"


@pytest.mark.parametrize("value", [0, 10_001, 5.0, True, "5", None])
def test_whole_numbers_are_whole(value: object) -> None:
    assert complaint(values.Burst, value) == "a whole number from 1 to 10,000"


def test_numbers_keep_their_type() -> None:
    rate = TypeAdapter(values.RequestRate).validate_python(5)
    burst = TypeAdapter(values.Burst).validate_python(5)

    assert (type(rate), rate, type(burst), burst) == (float, 5.0, int, 5)


@pytest.mark.parametrize("name", ["a", "a b", "acme/web", "日本", "x" * 200])
def test_names_may_be_any_printable_text(name: str) -> None:
    assert TypeAdapter(values.Name).validate_python(name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", " ", "x" * 201, "a\nb", "a\x00", "\u202eabc"])
def test_other_names_are_refused(name: str) -> None:
    assert complaint(values.Name, name).startswith("a name of 1 to 200 characters")


@pytest.mark.parametrize("label", ["team", "_tier", "T1", "projects", "a__b"])
def test_label_names_are_those_of_prometheus(label: str) -> None:
    assert TypeAdapter(values.LabelName).validate_python(label) == label


@pytest.mark.parametrize("label", ["", "1a", "a-b", "a.b", "é", "__a", "a ", *values.INFO_LABELS])
def test_label_names_of_others_are_refused(label: str) -> None:
    assert complaint(values.LabelName, label).startswith("a label name:")


@pytest.mark.parametrize("token", ["CCIPAT_abc_def", "CCIPRJ_abc", "0123456789abcdefABCD0123456789abcdef0123", ""])
def test_a_token_is_no_path_of_a_file(token: str) -> None:
    assert complaint(values.TokenFile, token) == "the path of the file that holds the token, not the token itself"


def test_numbers_in_place_of_text_are_told_to_be_quoted() -> None:
    assert complaint(values.FilePath, 5) == "a file path, in quotes"
    assert complaint(values.FilePath, None) == "a file path"
    assert complaint(values.Url, 5).startswith("https://HOST")
