"""The token: where it is taken from, how it is hidden, how a new one is noticed."""

from __future__ import annotations

import os
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from exporter.config import CircleCI, Secret, TokenSource, parse, read_token
from exporter.config.token import LONGEST
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def reach(file: Path | str | None = None) -> CircleCI:
    token_file = f"circleci: {{token_file: '{file}'}}\n" if file else ""
    return parse(f"{token_file}projects: [gh/a/b]").circleci


def refusal(circleci: CircleCI, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_token(circleci, environ)
    return str(caught.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")

    assert secret.reveal() == "hunter2"
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert not hasattr(secret, "__dict__")


def test_secrets_are_compared_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_the_token_comes_from_the_environment() -> None:
    assert read_token(reach(), {"CIRCLECI_TOKEN": " abc\n"}).reveal() == "abc"


def test_a_token_file_wins_over_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbf  from-file\r\n")

    assert read_token(reach(tmp_path / "token"), {"CIRCLECI_TOKEN": "abc"}).reveal() == "from-file"


def test_no_token_at_all_tells_both_places() -> None:
    assert refusal(reach(), {}) == (
        "environment: CIRCLECI_TOKEN: no API token; set it, or circleci.token_file in the configuration"
    )


REMEDY = "the file must hold one CircleCI API token and nothing else"
BAD_TOKENS = [
    ("", "empty"),
    (" \n", "empty"),
    ("hunter2 hunter2", "contains spaces, control characters or non-ASCII letters"),
    ("hunter2\nhunter2", "contains spaces, control characters or non-ASCII letters"),
    ("hunter2\x7f", "contains spaces, control characters or non-ASCII letters"),
    ("hunter2é", "contains spaces, control characters or non-ASCII letters"),
    ("hunter2" * 600, f"longer than {LONGEST} bytes"),
]


@pytest.mark.parametrize(("token", "found"), BAD_TOKENS)
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token)

    of_variable = refusal(reach(), {"CIRCLECI_TOKEN": token})
    of_file = refusal(reach(file), {})

    assert of_variable == f"environment: CIRCLECI_TOKEN: {found}; set it to one CircleCI API token"
    assert of_file == f"{file}: circleci.token_file: {found}; {REMEDY}"


def test_bytes_of_the_environment_that_are_no_text_are_refused() -> None:
    assert "non-ASCII" in refusal(reach(), {"CIRCLECI_TOKEN": "\udcff"})


def test_a_refused_token_is_in_no_frame_of_its_traceback(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2 hunter2")

    with pytest.raises(ConfigError) as caught:
        read_token(reach(file), {})

    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hunter2" not in "".join(stack.format())


def test_a_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    assert refusal(reach(tmp_path / "none"), {"CIRCLECI_TOKEN": "abc"}) == (
        f"{tmp_path}/none: circleci.token_file: no such file"
    )


def test_a_path_that_looks_like_a_token_is_not_shown(tmp_path: Path) -> None:
    name = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"

    assert refusal(reach(tmp_path / name), {}).startswith(f"{tmp_path}/***: circleci.token_file: no such file")


def test_a_file_that_vanishes_empties_or_breaks_leaves_the_last_token(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "token"
    file.write_text("first")
    source = TokenSource(reach(file), {}, clock)
    seen = []

    for content in (None, "", "not a token", "second"):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)
        clock.now += 1.0
        seen.append(source.current().reveal())

    assert seen == ["first", "first", "first", "second"]


def test_a_token_of_the_environment_stays(tmp_path: Path) -> None:
    environ = {"CIRCLECI_TOKEN": "abc"}
    clock = Clock()
    source = TokenSource(reach(), environ, clock)
    environ["CIRCLECI_TOKEN"] = "other"
    clock.now = 10.0

    assert source.refresh() is False
    assert source.current().reveal() == "abc"


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"piped\n")
    os.close(writing)
    try:
        source = TokenSource(reach(f"/dev/fd/{reading}"), {}, Clock())
        refreshed = source.refresh()
    finally:
        os.close(reading)

    assert (source.current().reveal(), refreshed) == ("piped", False)


def test_a_source_without_a_token_does_not_begin() -> None:
    with pytest.raises(ConfigError, match="no API token"):
        TokenSource(reach(), {})
