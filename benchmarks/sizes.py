"""What fleets of several sizes cost beside their API calls: `python -m benchmarks.sizes` writes a table in Markdown.

Each is started from a stored state and measured once it is quiet.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import daemons
from benchmarks.fleet import SAMPLES_A_PROJECT
from benchmarks.programs import ROOT
from benchmarks.report import seconds, size
from benchmarks.scraping import Scraper

PROJECTS = (10, 100, 300, 1_000, 5_000)
QUIET = 200.0
"""Seconds until what does not change is packed: half a minute, and what packing takes at a tenth of a core."""
SCRAPES = 100


def measure(folder: Path, projects: int) -> tuple[str, ...]:
    """Series, bytes of a gzip scrape, its CPU, and the memory after scrapes."""
    count, state = daemons.stored(folder, projects * SAMPLES_A_PROJECT, ROOT)
    with daemons.exporter(daemons.write_config(folder, count, state=state)) as program:
        program.wait_until_ready()
        Scraper(program.port, gzip=True).scrape()
        time.sleep(QUIET)
        scraper = Scraper(program.port, gzip=True)
        _, length = scraper.scrape()
        used = program.cpu()
        for _ in range(SCRAPES):
            scraper.scrape()
        used = program.cpu() - used
        samples = scraper.samples()
        return f"{count:,}", f"{samples:,}", size(length), seconds(used / SCRAPES), size(program.rss())


if __name__ == "__main__":
    print("| projects | series | bytes of a scrape | CPU of a scrape | memory |\n|---|---|---|---|---|")
    for wanted in [int(each) for each in sys.argv[1:]] or PROJECTS:
        with TemporaryDirectory() as folder:
            print(f"| {' | '.join(measure(Path(folder), wanted))} |", flush=True)
