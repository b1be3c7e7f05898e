"""From the start of the process to the first scrape that it serves, and the memory that it then takes."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import daemons
from benchmarks.report import Section, seconds, size
from benchmarks.scraping import Scraper

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (0, 10_000, 100_000, 1_000_000)
MOST_BYTES = 40
EMPTY_START, FULL_START = 1.0, 1.2


def run(folder: Path) -> list[Section]:
    """Start it three times at each size."""
    section, rows = Section("Start and memory"), []
    walls, used, resident, exact = {}, {}, {}, {}
    for samples in SIZES:
        turns = [_once(folder, samples) for _ in range(3)]
        walls[samples], used[samples], resident[samples] = (
            median(values) for values in list(zip(*turns, strict=True))[:3]
        )
        exact[samples] = turns[0][3]
    for samples in SIZES:
        each = (resident[samples] - resident[0]) / samples if samples else None
        cells = (
            seconds(walls[samples]),
            seconds(used[samples]),
            size(resident[samples]),
            f"{each:.0f} bytes" if each else "",
        )
        rows.append((f"{exact[samples]:,}", *cells))
    section.say(
        "From `exec` to the end of the first gzip scrape, all stored samples in it; resident memory after scrapes in "
        "both formats, compressed and plain; a sample's share is what is beyond the empty process."
    )
    section.table(("samples", "first scrape after", "CPU until then", "resident", "a sample"), rows)
    most = SIZES[-1]
    slower = median(_once(folder, most, isal=False)[0] for _ in range(3))
    section.say(f"Without isal the start with {exact[most]:,} stored samples takes {seconds(slower)}.")
    each = (resident[most] - resident[0]) / most
    section.goal("start with an empty state", "< 1 s", seconds(walls[0]), reached=walls[0] < EMPTY_START)
    section.goal(
        f"start with {most:,} stored samples",
        f"< {FULL_START} s",
        seconds(walls[most]),
        reached=walls[most] < FULL_START,
    )
    section.goal(
        f"memory at {most:,} samples", f"{MOST_BYTES} bytes each", f"{each:.0f} bytes", reached=each <= MOST_BYTES
    )
    return [section]


def _once(folder: Path, samples: int, *, isal: bool = True) -> tuple[float, float, int, int]:
    """Seconds, CPU seconds, resident bytes, samples."""
    count, state = daemons.stored(folder, samples)
    config = daemons.write_config(folder, count, state=state if samples else None)
    began = time.perf_counter()
    with daemons.exporter(config, isal=isal) as program:
        scraper = Scraper(program.port, gzip=True)
        scraper.scrape()
        took, used = time.perf_counter() - began, program.cpu()
        for packed in (True, False):
            for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
                Scraper(program.port, gzip=packed, accept=accept).scrape()
        time.sleep(0.5)
        return took, used, program.rss(), scraper.samples()
