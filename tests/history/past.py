"""A past that is made in this process: a synthetic CircleCI, the command's own work, and its files read back."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import CapturingLogger

from exporter.cli import backfill
from exporter.config import parse
from exporter.polling.attempt import Clocks
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.system.logs import Logger
    from tests.circleci import Circle

Series = dict[str, list[tuple[int, float]]]
"""Samples of each series, by the text before their values, in the order in which they stand in the files."""


def make(circle: Circle, state: Path, output: Path, *, now: float, settings: str = "", **flags: Any) -> bool:
    """Do what the command does, for one project; returns whether all could be read. Raises as it does."""
    config = parse(
        f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s}}\n"
        f"state: {{path: '{state}'}}\n"
        f"projects: [{{slug: gh/acme/web, {settings or 'collectors: [runs]'}}}]"
    )
    given = {"days": 90, "step": 3600.0, "labels": (), "restart_counters": False, "prometheus": None, **flags}
    environ, log = {"CIRCLECI_TOKEN": circle.token}, cast("Logger", CapturingLogger())
    waits = Skipping()
    clocks = Clocks(lambda: now, waits.clock, waits)
    return backfill.backfill(
        config, backfill.Flags(output=output, **given), log, plain=False, environ=environ, clocks=clocks
    )


def read(output: Path) -> Series:
    """All samples of the files of a folder, by series."""
    found: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for path in sorted(output.glob("*.om")):
        text = path.read_text()
        assert text.endswith("# EOF\n")
        for line in text.splitlines():
            if not line.startswith("#"):
                series, value, time = line.rsplit(" ", 2)
                found[series].append((int(time), float(value)))
    return dict(found)


def rises(samples: list[tuple[int, float]]) -> float:
    """By how much a counter rose, resets included."""
    values = [value for _, value in samples]
    return sum(after - before if after >= before else after for before, after in pairwise(values))
