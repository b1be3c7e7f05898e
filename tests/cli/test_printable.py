"""What CircleCI or a user named, at a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from exporter.cli.printable import line, printable
from tests.cli.commands import command
from tests.cli.test_backfill import configure
from tests.counting import Counting

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "evil\x1b[2J\x07\x9b5m\u202e\nx"


@pytest.mark.parametrize("text", ["build", "déploiement 1/2", "\U0001f680 ship", "[bold]not markup[/bold]"])
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert line(text).plain == text


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert printable(EVIL) == r"evil\x1b[2J\x07\x9b5m\u202e\nx"
    assert line(EVIL, style="red").plain == printable(EVIL)


@pytest.mark.parametrize("arguments", [("check",), ("backfill", "--output", "out")])
def test_no_command_sends_a_name_to_the_terminal_as_it_is(arguments: tuple[str, ...], tmp_path: Path) -> None:
    counting = Counting(tmp_path / "state.db", start=time.time() - 1)
    counting.close()
    counting.run(workflow=EVIL, stopped=counting.now - 5000)
    configure(tmp_path, counting)
    counting.circle.fail("not_found", "workflows/evil.*start-date")
    done = command(*arguments, folder=tmp_path, token=counting.circle.token)
    counting.circle.stop()
    said = done.stdout + done.stderr
    assert "evil" in said
    assert not set(said) & set("\x1b\x07\x9b\u202e")
