"""Files as documents: bytes, encodings, sizes, and every mistake with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.document import LARGEST_FILE, open_document, parse_document
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def data_of(text: str | bytes) -> object:
    document = parse_document(text, "c.yml")
    assert document.mistakes == []
    return document.data


def refusal_of(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "c.yml")
    return str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert data_of(b"\xef\xbb\xbfkey: 1") == {"key": 1}


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"a: b\nkey: \xff\n", "c.yml:2:6: not UTF-8: byte 0xff"),
        ("a: é\nkey: ü".encode("latin-1"), "c.yml:1:4: not UTF-8: byte 0xe9"),
        ("key: a\0b", "c.yml:1:7: character U+0000 is not allowed"),
        ("a: 1\nkey: \x1b[31m", "c.yml:2:6: character U+001B is not allowed"),
        ("key: \udcff", "c.yml:1:6: character U+DCFF is not allowed"),
        ("a: 1\n---\nb: 2", "c.yml:2:1: second YAML document; put everything in one document"),
        (
            "a: b: c",
            "c.yml:1:5: syntax error: mapping values are not allowed in this context",
        ),
        (" " * (LARGEST_FILE + 1), "c.yml: larger than 16 MiB"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(content: bytes | str, refusal: str) -> None:
    assert refusal_of(content) == refusal


def test_a_file_is_read_to_the_plain_value(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("a: [1, two, null]\n")

    assert open_document(file).data == {"a": [1, "two", None]}


def test_lesser_mistakes_of_a_file_are_kept_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("a: 1\na: 2\n1: 3\n")

    assert [problem.file for problem in open_document(file).problems()] == [f"{file}:2:1", f"{file}:3:1"]


def test_a_file_that_cannot_be_opened_is_a_problem_with_the_systems_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as missing:
        open_document(tmp_path / "none.yml")
    with pytest.raises(ConfigError) as directory:
        open_document(str(tmp_path))

    assert str(missing.value) == f"{tmp_path}/none.yml: no such file"
    assert str(directory.value) == f"{tmp_path}: is a directory"


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#?, \n\t%@`<01é\0"), max_size=60) | st.text())
def test_any_text_is_a_value_or_a_config_error(text: str) -> None:
    try:
        parse_document(text, "c.yml")
    except ConfigError as error:
        assert error.problems  # noqa: PT017  either outcome is good
