"""One file a mistake, each with the exact message that its first lines announce, and one file of several at once.

`python -m tests.config.test_bad_files` writes the announced messages anew, to be read before they are kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import parse
from exporter.errors import ConfigError, UnexpectedValue

DATA = Path(__file__).with_name("testdata")
BAD_FILES = sorted(DATA.glob("bad-*.yml"))
MARK = "# expect: "


def messages_of(text: str, name: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, name, DATA)
    return str(caught.value).replace(f"{DATA}/", "").splitlines()


def announced_in(text: str) -> list[str]:
    return [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]


@pytest.mark.parametrize("file", BAD_FILES, ids=lambda file: file.stem)
def test_a_bad_file_is_told_in_exactly_the_announced_words(file: Path) -> None:
    text = file.read_text()

    assert messages_of(text, file.name) == announced_in(text)


@pytest.mark.parametrize("file", BAD_FILES, ids=lambda file: file.stem)
def test_each_message_names_the_file_what_was_found_and_what_is_allowed(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(file.read_text(), file.name, DATA)

    for problem in caught.value.problems:
        assert problem.file.split(":")[0] == file.name
        assert problem.found
        assert problem.allowed or not isinstance(problem, UnexpectedValue)


def test_no_message_shows_a_secret() -> None:
    for file in BAD_FILES:
        shown = "\n".join(announced_in(file.read_text()))

        assert "hunter2" not in shown
        assert "1a2b3c4d5e6f" not in shown


def update(file: Path) -> None:
    body = "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith(MARK))
    head = ""
    for _ in range(2):  # the head moves the lines that it tells
        head = "".join(f"{MARK}{message}\n" for message in messages_of(head + body, file.name))
    file.write_text(head + body)


if __name__ == "__main__":
    for each in BAD_FILES:
        update(each)
