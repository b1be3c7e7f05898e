"""From the start of the process to the first scrape that it serves, and the memory that it then takes."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import daemons
from benchmarks.programs import ROOT
from benchmarks.report import Section, seconds, size, spread
from benchmarks.scraping import Scraper
from exporter.state.lines_file import SUFFIX

if TYPE_CHECKING:
    from benchmarks.compared import Compared

TURNS = 3
SIZES = (0, 10_000, 100_000, 1_000_000)
MOST_BYTES = 40
SETTLED = 0.1
"""Seconds after the last scrape in which the process gives back what that took."""
EMPTY_START, FULL_START = 1.0, 1.2


class Start(NamedTuple):
    """One start: seconds and CPU seconds until the first scrape was served, and what there was then.

    Seconds until it was ready, resident bytes, samples.
    """

    wall: float
    cpu: float
    ready: float
    resident: int
    samples: int


def run(folder: Path, compared: Compared) -> list[Section]:
    """Start it three times at each size, and once without what the process before has kept of its lines."""
    section, rows, found = Section("Start and memory"), [], {}
    for samples in SIZES:
        compared.turns(1, partial(_once, folder, samples))  # its lines are there for the next start
        turns = compared.turns(TURNS, partial(_once, folder, samples))
        exact, what = turns[ROOT][0].samples, f"the first scrape with {samples:,} stored samples"
        compared.add(f"wall until {what}", seconds, turns, lambda start: start.wall)
        compared.add(f"CPU until {what}", seconds, turns, lambda start: start.cpu)
        compared.add(
            f"wall until it is ready with {samples:,} stored samples", seconds, turns, lambda start: start.ready
        )
        compared.add(f"resident memory with {samples:,} samples", size, turns, lambda start: start.resident)
        found[samples] = turns[ROOT]
        least = median(start.resident for start in found[SIZES[0]])
        each = [(start.resident - least) / samples for start in turns[ROOT]] if samples else []
        cells = (
            spread([start.wall for start in turns[ROOT]], seconds),
            spread([start.cpu for start in turns[ROOT]], seconds),
            spread([start.ready for start in turns[ROOT]], seconds),
            spread([start.resident for start in turns[ROOT]], size),
            spread(each, "{:.0f} bytes".format) if each else "",
        )
        rows.append((f"{exact:,}", *cells))
    section.say(
        "From `exec` to the end of the first gzip scrape, all stored samples in it, after another process was stopped, "
        "and until `/-/ready` says that the state has been read and polls have begun; resident memory after scrapes in "
        "both formats, compressed and plain; a sample's share is what is beyond the empty process."
    )
    section.table(("samples", "first scrape after", "CPU until then", "ready after", "resident", "a sample"), rows)
    most = SIZES[-1]
    waited = _once(folder, most, ROOT, newer=True).wall
    rendered, slower = (_once(folder, most, ROOT, isal=isal, lines=False).wall for isal in (True, False))
    section.say(
        f"If the state is newer than the lines of the process before, as after a kill, scrapes wait for it: the start "
        f"with {most:,} samples then takes {seconds(waited)}. If the lines are not there, as after an upgrade, it "
        f"takes {seconds(rendered)}, and without isal {seconds(slower)}, each started once."
    )
    empty, full = (median(start.wall for start in found[samples]) for samples in (0, most))
    least = median(start.resident for start in found[0])
    each = [(start.resident - least) / most for start in found[most]]
    section.goal("start with an empty state", "< 1 s", seconds(empty), reached=empty < EMPTY_START)
    section.goal(
        f"start with {most:,} stored samples",
        f"{FULL_START} s",
        spread([start.wall for start in found[most]], seconds),
        reached=full <= FULL_START,
    )
    section.goal(
        f"memory at {most:,} samples",
        f"{MOST_BYTES} bytes each",
        spread(each, "{:.0f} bytes".format),
        reached=median(each) <= MOST_BYTES,
    )
    return [section]


def _once(
    folder: Path, samples: int, root: Path, *, isal: bool = True, lines: bool = True, newer: bool = False
) -> Start:
    """Start it, without the lines of the process before, or with a commit that is `newer` than them."""
    count, state = daemons.stored(folder, samples, root)
    if not lines:
        Path(f"{state}{SUFFIX}").unlink(missing_ok=True)
    if newer:
        with closing(sqlite3.connect(state)) as database, database:
            database.execute("UPDATE generation SET number = number + 1")
    config = daemons.write_config(folder, count, state=state if samples else None)
    began = time.perf_counter()
    with daemons.exporter(config, isal=isal, root=root) as program:
        scraper = Scraper(program.port, gzip=True)
        scraper.scrape()
        took, used = time.perf_counter() - began, program.cpu()
        program.wait_until_ready()
        ready = time.perf_counter() - began
        for packed in (True, False):
            for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
                Scraper(program.port, gzip=packed, accept=accept).scrape()
        time.sleep(SETTLED)
        return Start(took, used, ready, program.rss(), scraper.samples())
