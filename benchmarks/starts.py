"""From the start of the process to the first scrape that it serves, and the memory that it then takes."""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import daemons
from benchmarks.programs import ROOT
from benchmarks.report import Section, seconds, size, spread
from benchmarks.scraping import Scraper

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.compared import Compared

TURNS = 3
SIZES = (0, 10_000, 100_000, 1_000_000)
MOST_BYTES = 45
SETTLED = 0.1
"""Seconds after the last scrape in which the process gives back what that took."""
LONGEST = {0: 1.0, 100_000: 1.0, 1_000_000: 4.0}
"""Seconds of a start, by samples."""


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
    """Start it three times at each size."""
    section, rows, found = Section("Start and memory"), [], {}
    for samples in SIZES:
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
        "From `exec` to the end of the first gzip scrape, all stored samples in it, and until `/-/ready` says that the "
        "state has been read and polls have begun; memory memory after scrapes in both formats, compressed and plain, "
        "and of that a sample's share is what is beyond the empty process."
    )
    section.table(("samples", "first scrape after", "CPU until then", "ready after", "resident", "a sample"), rows)
    most = SIZES[-1]
    slower = _once(folder, most, ROOT, isal=False).wall
    section.say(f"Without isal the start with {most:,} samples takes {seconds(slower)}, started once.")
    least = median(start.resident for start in found[0])
    each = [(start.resident - least) / most for start in found[most]]
    for samples, longest in LONGEST.items():
        walls = [start.wall for start in found[samples]]
        what = f"start with {samples:,} stored samples" if samples else "start with an empty state"
        section.goal(what, f"{longest:.0f} s", spread(walls, seconds), reached=median(walls) <= longest)
    section.goal(
        f"memory at {most:,} samples",
        f"{MOST_BYTES} bytes each",
        spread(each, "{:.0f} bytes".format),
        reached=median(each) <= MOST_BYTES,
    )
    return [section]


def _once(folder: Path, samples: int, root: Path, *, isal: bool = True) -> Start:
    count, state = daemons.stored(folder, samples, root)
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
