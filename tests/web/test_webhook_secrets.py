"""The secrets of webhooks: read at the start, and again when their file changes."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest

from exporter.errors import ConfigError
from exporter.web.webhook_secrets import LARGEST_FILE, VARIABLE, WebhookSecrets
from tests.web.conftest import Lines

if TYPE_CHECKING:
    from pathlib import Path


class Source:
    """The secrets of a file, with a clock of the test's own."""

    def __init__(self, file: Path | None, **environ: str) -> None:
        self.now, self.log = 0.0, Lines()
        self.secrets = WebhookSecrets(file, environ, self.log, lambda: self.now)

    def texts(self, *, after: float = 0.0) -> list[str]:
        self.now += after
        return [secret.reveal() for secret in self.secrets.current()]


@pytest.fixture(name="file")
def secret_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def test_each_line_is_a_secret_and_a_blank_line_is_none(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbffirst\r\n\n   \n  second with a space  \nthird\xc3\xa9")
    assert Source(file).texts() == ["first", "second with a space", "thirdé"]


def test_without_a_file_the_environment_has_them() -> None:
    assert Source(None, **{VARIABLE: "one\ntwo"}).texts() == ["one", "two"]


def test_the_file_wins_over_the_environment(file: Path) -> None:
    file.write_text("of the file")
    assert Source(file, **{VARIABLE: "of the environment"}).texts() == ["of the file"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no secret"),
        (b"\n \r\n\t\n", "no secret"),
        (b"good\n\xff\xfe", "bytes that are not UTF-8"),
        (b"good\nbad\x00", "a control character"),
        (b"s\n" * 17, "17 secrets"),
        (b"s" * (LARGEST_FILE + 1), f"more than {LARGEST_FILE} bytes"),
    ],
)
def test_a_file_without_a_usable_secret_is_a_clear_error_that_shows_nothing_of_it(
    file: Path, content: bytes, says: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        Source(file)
    assert str(raised.value) == (
        f"{file}: webhooks.secret_file: {says}; it must hold 1 to 16 secrets, one per line, in UTF-8"
    )
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_file_that_is_missing_is_a_clear_error(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"webhooks\.secret_file: no such file$"):
        Source(file)


@pytest.mark.parametrize("environ", [{}, {VARIABLE: " \n "}])
def test_an_environment_without_a_secret_is_a_clear_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"environment: {VARIABLE}: no secret; it must hold "):
        Source(None, **environ)


def test_a_rotated_file_is_read_again_within_a_second(file: Path) -> None:
    file.write_text("old\n")
    source = Source(file)
    file.write_text("old\nnew\n")
    assert source.texts(after=0.5) == ["old"]
    assert source.texts(after=0.5) == ["old", "new"]
    replaced = file.with_suffix(".next")
    replaced.write_text("new\n")
    replaced.replace(file)
    assert source.texts(after=1.0) == ["new"]
    assert source.log.events("webhook secrets reloaded") == [
        {"file": str(file), "secrets": 2},
        {"file": str(file), "secrets": 1},
    ]


@pytest.mark.parametrize("spoiled", ["empty", "gone", "binary", "pipe"])
def test_a_file_that_is_spoiled_leaves_the_last_good_secrets(file: Path, spoiled: str) -> None:
    file.write_text("good\n")
    source = Source(file)
    file.unlink()
    if spoiled == "pipe":
        os.mkfifo(file)
    elif spoiled != "gone":
        file.write_bytes(b"" if spoiled == "empty" else b"\xff")
    assert [source.texts(after=1.0) for _ in range(3)] == [["good"]] * 3
    assert len(source.log.events("webhook secrets not reloaded")) == (spoiled in {"empty", "binary"})
    if spoiled == "pipe":
        file.unlink()
    file.write_text("better\n")
    assert source.texts(after=1.0) == ["better"]


def test_a_secret_shows_nowhere(file: Path) -> None:
    file.write_text("a-secret-nobody-shall-see\n")
    source = Source(file)
    assert "nobody" not in repr(source.secrets.current()) + repr(vars(source.secrets)) + repr(source.log.entries)
    with pytest.raises(TypeError):
        pickle.dumps(source.secrets.current())
