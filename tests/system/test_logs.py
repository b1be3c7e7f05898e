"""Logs: one line an event, to standard error, in two forms."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from exporter.system.logs import LEVELS, configure

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_logfmt_is_one_line_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "logfmt").info("project is failing", project="gh/acme/web", reason="server", good=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("timestamp=")
    assert 'level=info event="project is failing" ' in err
    assert "project=gh/acme/web" in err
    assert "good=false" in err


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json").warning("project is failing", project="größe\n🚀", count=3)
    (line,) = capsys.readouterr().err.splitlines()
    read = json.loads(line)
    assert (read["event"], read["level"], read["count"]) == ("project is failing", "warning", 3)
    assert read["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_hostile_name_neither_breaks_a_line_nor_moves_a_terminal(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", form).info("read", name="a\nlevel=error event=forged\r\x1b[2J\x00\u202e\ud800")
    (line,) = capsys.readouterr().err.splitlines()
    assert all(letter.isprintable() for letter in line)


@pytest.mark.parametrize(("level", "shown"), list(zip(LEVELS, (4, 3, 2, 1), strict=True)))
def test_what_is_below_the_level_is_not_logged(level: str, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    log = configure(level, "logfmt")
    for method in (log.debug, log.info, log.warning, log.error):
        method("event")
    assert len(capsys.readouterr().err.splitlines()) == shown


def test_libraries_log_from_warnings_on_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "json")
    logging.getLogger("urllib3").info("unseen")
    logging.getLogger("requests").warning("seen")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "seen"


def test_a_traceback_of_a_defect_is_logged_with_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    log = configure("info", "json")
    try:
        int("x")
    except ValueError:
        log.exception("a defect")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]
