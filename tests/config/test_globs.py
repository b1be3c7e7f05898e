"""Globs on whole names, with their case."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Globs
from exporter.config.globs import is_glob


@pytest.mark.parametrize(
    ("globs", "chosen", "others"),
    [
        (Globs(), ["build", "", "a b/c\n"], []),
        (Globs(include=("build*",)), ["build", "build and test"], ["Build", "a build"]),
        (Globs(include=("release/*",)), ["release/1", "release/1/2"], ["release"]),
        (Globs(include=("a", "b?")), ["a", "bx"], ["b", "ab", "a\n"]),
        (Globs(exclude=("*-nightly",)), ["build"], ["build-nightly"]),
        (Globs(include=("*",), exclude=("*",)), [], ["build"]),
        (Globs(include=()), [], ["build", ""]),
        (Globs(include=("[ab]x", "[!ab]y")), ["ax", "cy"], ["cx", "ay"]),
        (Globs(include=("a+b", "[")), ["a+b", "["], ["aab"]),
    ],
)
def test_a_name_is_chosen_by_include_without_exclude(globs: Globs, chosen: list[str], others: list[str]) -> None:
    assert [name for name in (*chosen, *others) if globs.match(name)] == chosen


names = st.text(st.sampled_from("ab*?[]!-/\n"), max_size=8)


@given(st.lists(names, max_size=4), st.lists(names, max_size=4), names)
def test_globs_match_as_fnmatch_does(include: list[str], exclude: list[str], name: str) -> None:
    expected = any(fnmatchcase(name, glob) for glob in include) and not any(fnmatchcase(name, glob) for glob in exclude)

    assert Globs.model_construct(include=tuple(include), exclude=tuple(exclude)).match(name) is expected


def test_many_stars_do_not_take_exponential_time() -> None:
    assert not Globs(include=("*a" * 30 + "b",)).match("a" * 200)  # or it does not end


@pytest.mark.parametrize(("text", "expected"), [("main", False), ("release/*", True), ("v?", True), ("[ab]", True)])
def test_a_glob_is_told_from_a_plain_name(text: str, expected: bool) -> None:
    assert is_glob(text) is expected
