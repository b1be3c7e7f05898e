"""Scrapes of a million samples while polls go on as fast as they can, and what the schedule holds."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import daemons, fleet
from benchmarks.circleci import asked
from benchmarks.programs import ROOT, Program, module
from benchmarks.report import Section, seconds, size
from benchmarks.scraping import Scraper

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.compared import Compared

SAMPLES, SCRAPES, SCRAPES_BEFORE = 1_000_000, 500, 100
MEDIAN, SLOWEST = 0.25, 1.0
PROJECTS, RATE, LONG = 5_000, 100, 15.0


def run(folder: Path, compared: Compared) -> list[Section]:
    """Both."""
    return [_busy(folder, compared), _rate(folder)]


class Busy(NamedTuple):
    """Scrapes during polls: seconds and bytes of each, requests a second, cores that the exporter used, projects."""

    scrapes: list[tuple[float, int]]
    rate: float
    cores: float
    projects: int


def _scraped(folder: Path, count: int, root: Path) -> Busy:
    url = daemons.CIRCLECI
    with Program(module("benchmarks.circleci", daemons.PORT, "--restless"), daemons.PORT):
        projects, state = daemons.stored(folder, SAMPLES, root)
        limits = ", requests_per_second: 1000, burst: 100, concurrency: 4"
        config = daemons.write_config(folder, projects, state, limits, "interval: 1s, stale_after: 1d")
        with daemons.exporter(config, root=root) as program:
            scraper = Scraper(program.port, gzip=True)
            scraper.scrape()
            before, used, began = asked(url), program.cpu(), time.perf_counter()
            scrapes = [scraper.scrape() for _ in range(count)]
            took = time.perf_counter() - began
            return Busy(scrapes, (asked(url) - before) / took, (program.cpu() - used) / took, projects)


def _busy(folder: Path, compared: Compared) -> Section:
    section = Section("Scrapes during polls")
    turns = compared.turns(1, lambda root: _scraped(folder, SCRAPES if root == ROOT else SCRAPES_BEFORE, root))
    deciles = {  # of so many of both: more polls lie behind the later ones
        root: [{"walls": quantiles([wall for wall, _ in each.scrapes[:SCRAPES_BEFORE]])} for each in busy]
        for root, busy in turns.items()
    }
    compared.add_each({"walls": f"wall of a gzip scrape of {SAMPLES:,} samples during polls"}, seconds, deciles)
    ((scrapes, rate, cpu, count),) = turns[ROOT]
    walls = sorted(wall for wall, _ in scrapes)
    least = min(read for _, read in scrapes)
    middle, late, last = walls[SCRAPES // 2], walls[SCRAPES * 99 // 100], walls[-1]
    section.say(
        f"{SCRAPES} gzip scrapes of {SAMPLES:,} samples, one straight after the other, while {count:,} projects are "
        f"polled without a rest and each answer differs from the one before: {rate:.0f} requests a second, "
        f"{cpu:.2f} cores used by the exporter, scrapes included. Each scrape had {size(least)} or more."
    )
    section.table(("median", "99 %", "slowest"), [(seconds(middle), seconds(late), seconds(last))])
    section.goal(
        f"a gzip scrape of {SAMPLES:,} samples during polls", "< 0.25 s", seconds(middle), reached=middle < MEDIAN
    )
    section.goal(f"the slowest of {SCRAPES} such scrapes", "1 s", seconds(last), reached=last <= SLOWEST)
    return section


def _rate(folder: Path) -> Section:
    section, url = Section("A fleet at its rate limit"), daemons.CIRCLECI
    with Program(module("benchmarks.circleci", daemons.PORT), daemons.PORT):
        limits = f", requests_per_second: {RATE}, burst: 10, concurrency: 8"
        config = daemons.write_config(folder, PROJECTS, None, limits, "interval: 1h")
        with daemons.exporter(config) as program:
            time.sleep(12)  # all projects are due by then
            before, used, began = asked(url), program.cpu(), time.perf_counter()
            time.sleep(LONG)
            answered, took = asked(url) - before, time.perf_counter() - began
            cpu = (program.cpu() - used) / took
    rate = answered / took
    section.say(
        f"{PROJECTS:,} projects ({fleet.SAMPLES_A_PROJECT * PROJECTS:,} samples in the end) in their first round at "
        f"{RATE} requests a second, through APScheduler: {rate:.1f} requests a second for {LONG:.0f} s, "
        f"with {cpu:.2f} cores."
    )
    off = abs(rate / RATE - 1)
    section.goal(f"{PROJECTS:,} projects at {RATE} requests a second", "within 2 %", f"{rate:.1f}", reached=off <= 0.02)  # noqa: PLR2004
    return section
