from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import exporter
from exporter.system import own_code


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "inner" / "b.py").write_text("b = 1\n")
    (tmp_path / "notes.txt").write_text("none of it\n")
    return tmp_path


def test_the_digest_stays_while_the_program_does(program: Path) -> None:
    before = own_code.digest(program)
    (program / "notes.txt").write_text("changed\n")
    assert own_code.digest(program) == before
    assert len(before) == 32


def test_the_digest_tells_each_change_of_a_module(program: Path) -> None:
    found = {own_code.digest(program)}
    inner = program / "inner" / "b.py"
    for change in (
        partial(inner.write_text, "b = 2\n"),
        partial(inner.rename, program / "inner" / "c.py"),
        (program / "new.py").touch,
        partial((program / "a.py").write_text, ""),
        (program / "a.py").unlink,
    ):
        change()
        found.add(own_code.digest(program))
    assert len(found) == 6


def test_without_modules_or_where_they_cannot_be_read_there_is_none(tmp_path: Path) -> None:
    assert own_code.digest(tmp_path) == b""
    (tmp_path / "a.py").mkdir()
    assert own_code.digest(tmp_path) == b""


def test_it_is_of_the_program_that_runs() -> None:
    assert own_code.digest() == own_code.digest(Path(exporter.__file__).parent)
