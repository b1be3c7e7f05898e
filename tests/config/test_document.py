"""A document: where mistakes are told to be, and how what was found is shown."""

from __future__ import annotations

import pytest

from exporter.config.document import Place, describe, dotted
from exporter.config.yaml_file import parse_document


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("circleci", "url"), "circleci.url"),
        (("projects", 2, "windows", 0), "projects[2].windows[0]"),
        ((0, "a"), "[0].a"),
        (("labels", "cost center"), 'labels."cost center"'),
        (("labels", ""), 'labels.""'),
        (("a.b", "c"), '"a.b".c'),
        (("x\n", "c"), '"x\\n".c'),
    ],
)
def test_paths_are_written_as_people_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (5, "5"),
        (0.5, "0.5"),
        ({}, "an empty mapping"),
        ({"token": "x"}, "a mapping"),
        ([], "an empty list"),
        ([1], "a list"),
        ("naïve", '"naïve"'),
        ('say "hi" \\', '"say "hi" \\"'),
        ("\x1b[31m\u200b", '"\\x1b[31m\\u200b"'),
        ("x" * 80, f'"{"x" * 80}"'),
        ("x" * 81, f'"{"x" * 79}…"'),
    ],
)
def test_values_are_shown_short_and_printable(value: object, text: str) -> None:
    assert describe(value) == text


def test_a_place_without_a_line_is_the_file() -> None:
    assert (Place(0, 0).within("f"), Place(3, 1).within("f")) == ("f", "f:3:1")


def report(text: str, path: tuple[str | int, ...]) -> str:
    document = parse_document(text, "f")
    document.expected(path, "else")
    return str(document.problems()[0])


def test_a_mistake_is_told_where_its_value_stands() -> None:
    assert report("a:\n  - b\n  - 1.10\n", ("a", 1)) == "f:3:5: a[1]: found 1.10; expected else"


def test_a_path_is_cut_where_the_file_goes_no_deeper() -> None:
    assert report("a:\n  - b\n", ("a", 0, "slug")) == 'f:2:5: a[0]: found "b"; expected else'


def test_a_missing_key_is_told_at_its_mapping() -> None:
    assert report("a:\n  - {b: 1}\n", ("a", 0, "slug")) == "f:2:5: a[0].slug: found a mapping; expected else"


@pytest.mark.parametrize("key", ["token", "Circle-Token", "password", "PASSWD", "client_secret", "api_key", "apikey"])
def test_values_of_keys_that_look_secret_are_not_shown(key: str) -> None:
    shown = report(f"{key}: [hunter2]\n", (key, 0))

    assert "hunter2" not in shown
    assert "found a value that is not shown" in shown


@pytest.mark.parametrize("token", ["CCIPAT_abc_hunter2", "hunter2 0123456789abcdef0123456789abcdef01234567"])
def test_values_that_look_like_tokens_are_not_shown(token: str) -> None:
    assert report(f"auth: {token}\n", ("auth",)) == "f:1:1: auth: found a value that is not shown; expected else"


def test_mistakes_are_sorted_as_they_stand_in_the_file() -> None:
    document = parse_document("a: 1\nb: {d: 1, c: 2}\n", "f")

    for path in (("b", "c"), ("b", "d"), ("z",), ("a",)):
        document.expected(path, "else")

    assert [problem.path for problem in document.problems()] == ["z", "a", "b.d", "b.c"]
