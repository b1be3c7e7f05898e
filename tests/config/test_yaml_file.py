"""Strict YAML: what a scalar means, what is refused, and every mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.yaml_file import DEEPEST, LARGEST_FILE, MOST_VALUES, open_document, parse_document
from exporter.errors import ConfigError

DATA = Path(__file__).with_name("testdata")


def data_of(text: str | bytes) -> object:
    document = parse_document(text, "c.yml")
    assert document.mistakes == []
    return document.data


def refusal_of(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "c.yml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("5", 5),
        ("-17", -17),
        ("+3", 3),
        ("0.2", 0.2),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("010", 10.0),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00Z"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e1000", "1e1000"),
        ("9" * 6000, "9" * 6000),
        ("123456789012345678901", 123456789012345678901.0),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ("! 5", "5"),
        ("!!str 5", "5"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_means_what_the_core_schema_says(written: str, value: object) -> None:
    read = data_of(f"key: {written}\n")

    assert read == {"key": value}
    assert isinstance(read, dict)
    assert type(read["key"]) is type(value)


@pytest.mark.parametrize("empty", ["", "\n", "# only a comment\n", "---\n", "null"])
def test_an_empty_file_is_none(empty: str) -> None:
    assert data_of(empty) is None


def test_a_key_given_twice_keeps_its_first_value_and_is_reported_with_both_lines() -> None:
    document = parse_document("a: 1\nb:\n  - {c: 1, c: 2}\na:\n  x: 1\n  x: 2\n", "c.yml")

    assert document.data == {"a": 1, "b": [{"c": 1}]}
    assert [str(problem) for problem in document.problems()] == [
        "c.yml:3:12: b[0].c: duplicate key, first on line 3",
        "c.yml:4:1: a: duplicate key, first on line 1",
        "c.yml:6:3: a.x: duplicate key, first on line 5",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1: x", "key 1"),
        ("null: x", "key null"),
        ("true: x", "key true"),
        ("[a]: x", "key a list"),
        ("{a: b}: x", "key a mapping"),
    ],
)
def test_a_key_that_is_no_text_is_reported_and_left_out(text: str, found: str) -> None:
    document = parse_document(f"in:\n  {text}\n  good: 1\n", "c.yml")

    assert document.data == {"in": {"good": 1}}
    (problem,) = document.problems()
    assert (problem.path, problem.found, problem.allowed) == ("in", f"{found} is not text", "put it in quotes")


def test_merged_mappings_yield_to_given_keys_and_to_earlier_ones() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *b, y: 4}\n'<<': 5\n"

    data = data_of(text)

    assert isinstance(data, dict)
    assert data["c"] == {"z": 3, "x": 1, "y": 1}
    assert data["d"] == {"y": 4, "z": 2}
    assert data["<<"] == 5


def test_a_merged_value_is_placed_where_it_was_written() -> None:
    document = parse_document("a: &a\n  x: 1\nb:\n  <<: *a\n", "c.yml")

    document.expected(("b", "x"), "2")

    assert [str(problem) for problem in document.problems()] == ["c.yml:2:3: b.x: found 1; expected 2"]


def test_only_mappings_merge() -> None:
    document = parse_document("a:\n  <<: [1]\n", "c.yml")

    assert [str(problem) for problem in document.problems()] == [
        'c.yml:2:7: a."<<": found a list; expected a mapping or a list of mappings'
    ]


def test_a_scalar_and_a_list_can_have_aliases() -> None:
    assert data_of("a: &t 30s\nb: *t\nc: &l [1]\nd: *l\n") == {"a": "30s", "b": "30s", "c": [1], "d": [1]}


def test_aliases_that_multiply_are_refused_at_once() -> None:
    levels = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]

    assert "too large" in refusal_of("\n".join(levels))  # written out, they would fill any memory


def test_aliases_cannot_be_deeper_than_what_is_written_out() -> None:
    deep = "a0: &a0 [1]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, DEEPEST + 1))

    assert refusal_of(deep).startswith(f"c.yml:{DEEPEST}:")


def test_levels_are_limited_far_below_what_would_recurse_too_deep() -> None:
    assert data_of("[" * DEEPEST + "]" * DEEPEST)
    assert "too large" in refusal_of("[" * (DEEPEST + 1))


def test_values_are_limited_and_what_an_alias_stands_for_counts_in_full() -> None:
    text = f"a: &a [{', '.join('1' * 999)}]\nb: [{', '.join(['*a'] * 1000)}]"
    first = "b: [*a".index("*") + 1  # the column of an alias: 998 of them are a little less than a million

    assert data_of(text[: text.index("b")] + "b: [*a]") == {"a": [1] * 999, "b": [[1] * 999]}
    assert refusal_of(text).startswith(
        f"c.yml:2:{first + 998 * len('*a, ')}: too large; at most {MOST_VALUES:,} values"
    )


@pytest.mark.parametrize("text", ["a: *a", "a: &a [*a]", "a: &a {b: *a}"])
def test_an_alias_of_nothing_that_ended_is_refused(text: str) -> None:
    assert "unknown alias" in refusal_of(text)


@pytest.mark.parametrize("tag", ["!!binary", "!!python/name:os.system", "!include", "!!int"])
@pytest.mark.parametrize("value", ["a", "[a]", "{a: b}"])
def test_tags_are_refused(tag: str, value: str) -> None:
    assert "YAML tags are not supported" in refusal_of(f"key: {tag} {value}")


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
def test_half_a_surrogate_pair_does_not_get_in(loader: type[yaml.SafeLoader]) -> None:
    with pytest.raises(ConfigError):
        parse_document('key: "\\ud800"', "c.yml", loader)


@pytest.mark.parametrize("file", sorted(DATA.glob("good-*.yml")), ids=lambda file: file.stem)
def test_the_loader_in_python_does_what_the_one_in_c_does(file: Path) -> None:
    in_c = parse_document(file.read_text(), file.name, yaml.CSafeLoader)
    in_python = parse_document(file.read_text(), file.name, yaml.SafeLoader)

    assert in_c.data == in_python.data


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#?, \n\t%@`<01é"), max_size=40))
def test_both_loaders_agree_on_any_text_that_both_read(text: str) -> None:
    try:
        read = [parse_document(text, "c.yml", loader).data for loader in (yaml.CSafeLoader, yaml.SafeLoader)]
    except ConfigError:
        return

    assert read[0] == read[1]


def test_text_that_was_taken_for_an_alias_or_a_tag_is_not_shown() -> None:
    assert "hunter2" not in refusal_of("password: *hunter2")
    assert "hunter2" not in refusal_of("password: !hunter2")


scalars = (
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(exclude_categories=["C", "Z"]))
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text("abcé<", max_size=5), inner), max_leaves=30
)


@given(trees)
def test_json_is_read_as_what_it_is(tree: object) -> None:
    assert data_of(json.dumps(tree, ensure_ascii=False)) == tree


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
