"""The state in a file and in PostgreSQL: commits a second, the start, and what a look costs.

`python -m benchmarks.replicas` starts a PostgreSQL of its own on loopback, with fsync, and writes REPLICAS.md.
`make bench` leaves it alone. SAMPLES sets how many samples the state of the start has.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import daemons, fleet
from benchmarks.report import Section, machine, seconds, size, spread
from benchmarks.scraping import Scraper
from exporter.counting.book import Changes
from exporter.runs.hints import Hint
from exporter.state import StateStore
from exporter.state.postgres import schema
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.database import Postgres
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.system.logs import configure
from exporter.telemetry import Telemetry
from tests.running.postgres import Address, Server, find_server
from tests.state.making import LIVE, NOW_LEDGER, known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.system.logs import Logger

RESULTS = Path(__file__).with_name("REPLICAS.md")
SAMPLES = int(os.environ.get("SAMPLES", "1000000"))
COMMITS, TURNS, LEASE, LIMIT = 300, 3, 600.0, 60.0
URL = f"{daemons.CIRCLECI}/api/v2"


@contextmanager
def in_file(folder: Path) -> Iterator[StateStore]:
    """A state in a file."""
    state = StateStore.open(folder / f"{time.monotonic_ns()}.db", URL, Telemetry("bench", ()), log())
    yield state
    state.close()


@contextmanager
def in_database(database: Address, url: str = URL) -> Iterator[StateStore]:
    """A state in a database, led while it is open."""
    leases = LeaseTable(Link(database.login(), LIMIT), LEASE)
    schema.make(leases.link)
    taken = leases.acquire(Place(url, 0, 1), "benchmark")
    assert taken is not None  # noqa: S101  nobody else is there
    begun, telemetry = leases.begin(taken, 0), Telemetry("bench", ())
    assert begun is not None  # noqa: S101  as before
    link = Link(database.login(), LIMIT)
    store = Postgres(link, begun, telemetry, log(), lease=LEASE, leads=lambda: True)
    yield StateStore(store, url, telemetry, log())
    link.close()
    leases.release(taken.hold)
    leases.link.close()


def log() -> Logger:
    """Where errors go."""
    return configure("error", "logfmt")


def commits(state: StateStore) -> dict[str, float]:
    """Seconds of one commit of each kind, the median of many."""
    snapshot = replace(known(ledger=NOW_LEDGER), live=LIVE)
    first = Changes(whole=True, pipelines=dict(LIVE.pipelines), cells=dict(NOW_LEDGER.cells.values))
    state.commit_counts(snapshot, first)
    chance = iter(fleet.snapshots(COMMITS, time.time()))

    def look(number: int) -> None:
        run, jobs = {"build": {number: (int(time.time()), False)}}, {number * 100 + job: (1, True) for job in range(10)}
        state.commit_counts(
            snapshot, Changes(runs=run, jobs=jobs, pipelines=dict(LIVE.pipelines), cells=dict(NOW_LEDGER.cells.values))
        )

    def poll(_: int) -> None:
        polled = next(chance)
        state.commit(polled, polled.parts, ())

    return {
        "a look that counts a run with 10 jobs": timed(look, COMMITS),
        "a poll that reads 6 answers, 650 samples": timed(poll, COMMITS),
    }


def timed(work: Callable[[int], object], times: int) -> float:
    """Median seconds of a call."""
    took = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        took.append(time.perf_counter() - began)
    return median(took)


def costs(database: Address) -> dict[str, float]:
    """Seconds of what replicas do all the time."""
    link = Link(database.login(), LIMIT)
    table, arrivals, place = LeaseTable(link, LEASE), Arrivals(link, URL), Place(URL, 0, 1)
    taken = table.acquire(place, "benchmark")
    assert taken is not None  # noqa: S101  nobody else is there
    hint = Hint("gh/acme/web", "0" * 36, "0" * 36, ended=True, taken_at=0.0)
    try:
        return {
            "a standby asks for the lease, every second": timed(lambda _: table.look(place), COMMITS),
            "the leader renews it, at every third": timed(lambda _: table.renew(taken.hold, None), COMMITS),
            "a webhook is committed": timed(lambda _: arrivals.arrive(hint, 100), COMMITS),
            "the leader counts webhooks, every second": timed(lambda _: arrivals.totals(), COMMITS),
        }
    finally:
        table.release(taken.hold)
        link.close()


def starts(folder: Path, database: Address) -> Section:
    """From the start of the process to its first scrape with everything."""
    section = Section(f"Start with {SAMPLES:,} samples")
    count, file = daemons.stored(folder, SAMPLES)
    with in_database(database) as state:
        for snapshot in fleet.snapshots(count, time.time()):
            state.commit(snapshot, snapshot.parts, ())
    rows = []
    for name, config in (
        ("file", daemons.write_config(folder, count, state=file)),
        ("database", _shared(daemons.write_config(folder, count), database)),
    ):
        found = [_start(config) for _ in range(TURNS)]
        walls, memory = [wall for wall, _, _ in found], [resident for _, resident, _ in found]
        rows.append((name, f"{found[0][2]:,}", spread(walls, seconds), spread(memory, size)))
    section.table(("state", "samples", "first scrape with all of them after", "resident"), rows)
    return section


def _shared(config: Path, database: Address) -> Path:
    config.write_text(config.read_text().replace("{path: null}", f"{{url: '{database.url}', lease: 10m}}"))
    return config


def _start(config: Path) -> tuple[float, int, int]:
    began = time.perf_counter()
    with daemons.exporter(config) as program:
        scraper = Scraper(program.port, gzip=True)
        while True:
            scraper.scrape()
            samples = scraper.samples()
            if samples > SAMPLES // 2:
                return time.perf_counter() - began, program.rss(), samples
            time.sleep(0.01)


def run(folder: Path, server: Server) -> list[Section]:
    """Everything."""
    speed = Section("Commits")
    with in_file(folder) as state:
        file = commits(state)
    with in_database(server.database()) as state:
        shared = commits(state)
    speed.say("On one connection, one after the other; both wait for the disk.")
    speed.table(
        ("commit", "file", "a second", "database", "a second"),
        [
            (what, seconds(file[what]), f"{1 / file[what]:,.0f}", seconds(shared[what]), f"{1 / shared[what]:,.0f}")
            for what in file
        ],
    )
    looks, database = Section("What replicas cost the database"), server.database()
    with in_database(database):
        pass
    looks.table(("statement", "median"), [(what, seconds(took)) for what, took in costs(database).items()])
    return [speed, looks, starts(folder, server.database())]


def main() -> None:
    """Measure, and write REPLICAS.md."""
    programs, busy = find_server(), os.getloadavg()[0]
    assert programs is not None, "PostgreSQL is not installed"  # noqa: S101  said to whoever measures
    with tempfile.TemporaryDirectory() as name, Server(programs, {"fsync": "on"}) as server:
        sections = run(Path(name), server)
    head = (
        f"# A state in PostgreSQL, measured\n\nWritten by `python -m benchmarks.replicas`; measured figures only. "
        f"PostgreSQL 15 on loopback, with fsync. {machine()} Load of the machine when it began: {busy:.1f}.\n"
    )
    body = "".join(f"\n## {section.title}\n\n" + "\n".join(section.lines) for section in sections)
    RESULTS.write_text(f"{head}{body.rstrip()}\n")


if __name__ == "__main__":
    main()
