"""How far a backfill is: a bar that fits the terminal, and lines with an honest time left."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.cli import backfill_telling
from exporter.history.reading import Progress
from tests.campaigns.runs.counting import Counting
from tests.cli.test_backfill import configure
from tests.running.program import at_a_terminal
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.system.logs import Logger

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
LEFT = re.compile(r" \d+% [\d,]+ runs \d:\d\d:\d\d left")


@pytest.mark.parametrize("columns", [80, 50])
def test_the_bar_shows_runs_and_the_time_left_within_the_terminal(tmp_path: Path, columns: int) -> None:
    counting = Counting(tmp_path / "state.db", start=time.time() - 1)
    counting.close()
    for number in range(1500):  # over 83 days, so that a page is a part of the 90 that is worth showing
        counting.run(
            workflow=f"a name that is so long that it would not fit {number % 3}",
            stopped=counting.now - number * 4_800,
        )
    configure(tmp_path, counting)
    page = counting.circle.fail("hold", "start-date", times=1, after=5)
    environ = {**os.environ, "CIRCLECI_TOKEN": counting.circle.token, "TERM": "xterm-256color"}
    environ.pop("COLUMNS", None)

    def seen(said: str) -> None:
        if LEFT.search(CONTROL.sub("", said)):
            page.release()

    code, said = at_a_terminal(["backfill", "--output", "out"], tmp_path, columns=columns, environ=environ, seen=seen)
    counting.circle.stop()
    assert code == 0
    lines = re.split(r"[\r\n]+", CONTROL.sub("", said))
    bars = [line for line in lines if line.startswith(("Reading runs", "Writing files"))]
    assert max(map(len, bars)) <= columns
    assert any(LEFT.search(line) for line in bars), bars
    assert any(re.fullmatch(r"Reading runs ━+ 100% 1,500 runs *", line) for line in bars), bars
    assert any(re.fullmatch(r"Writing files ━+ 100% 1,500 runs *", line) for line in bars), bars


def told(*steps: Progress, every: float = 3600.0) -> list[dict[str, Any]]:
    """What is logged when these come so far apart that each is told."""
    log = CapturingLogger()
    with backfill_telling.shown("reading runs", cast("Logger", log), plain=False, every=every) as tell:
        for step in steps:
            began = time.monotonic()
            wait_until(lambda began=began: time.monotonic() - began > 0.2, why="time to pass")  # type: ignore[misc]
            tell(step)
    return [call.kwargs for call in log.calls]


def test_the_last_line_is_told_at_once_and_the_ones_before_now_and_then() -> None:
    [line] = told(Progress(1, 4, 10), Progress(2, 4, 20), Progress(4, 4, 40))
    assert line == {"percent": 100.0, "workflows": 4, "runs": 40, "seconds_left": 0}


def test_what_an_earlier_call_read_does_not_shorten_the_time_left() -> None:
    _, line = told(Progress(90, 100, 0), Progress(91, 100, 10), every=0.0)
    assert line["percent"] == 91.0
    assert line["seconds_left"] >= 2
