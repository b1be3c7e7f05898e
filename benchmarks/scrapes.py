"""A scrape of the exporter beside one of the same families from what a user would pick instead."""

from __future__ import annotations

import gzip
import http.client
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import daemons, readers
from benchmarks.peers import servers
from benchmarks.report import Section, seconds, size, times
from benchmarks.scraping import Cost, measure
from exporter.publishing.repacking import LOOK_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.programs import Program

SIZES = (10_000, 100_000, 1_000_000)
COMPARED = 100_000
OURS, PYTHON, GOLANG, PUSHGATEWAY, NGINX = (
    "this exporter",
    "prometheus_client",
    "client_golang",
    "pushgateway",
    "nginx, a file",
)
QUIET = 2 * LOOK_EVERY + 10.0
"""Seconds after which blocks that stay as they are have been packed again."""
TURNS = 5
"""Of the exporter and of nginx, whose walls are short and differ from turn to turn; the best of each counts."""
Costs = dict[tuple[int, str, bool], Cost]
"""The cost of a scrape by samples, server, and whether it was compressed."""


def run(folder: Path, golang: Path) -> tuple[list[Section], Costs]:
    """Measure all of it."""
    found: Costs = {}
    read, fresh = Section("Readers of the gzip member"), 0
    for samples in SIZES:
        text = folder / f"text-{samples}"
        count, state = daemons.stored(folder, samples)
        with daemons.exporter(daemons.write_config(folder, count, state=state)) as program:
            body = _body(program.port)
            text.write_bytes(gzip.decompress(body))
            if samples == COMPARED:
                fresh = len(body)
                readers.run(read, program.port, golang, text.read_bytes())
                time.sleep(QUIET)  # the time of an exporter that runs for a while
                body = _body(program.port)
            with servers.nginx(text, body) as floor:
                for _ in range(TURNS):  # whatever else the machine does meets both
                    _measure(found, samples, OURS, program, 1.0)
                    _measure(found, samples, NGINX, floor, 1.0)
        peers: tuple[tuple[str, Callable[[], AbstractContextManager[Program]]], ...] = (
            (GOLANG, partial(servers.client_golang, golang, text)),
            (PUSHGATEWAY, partial(servers.pushgateway, text)),
            (PYTHON, partial(servers.client_python, text)),
        )
        for name, start in peers:
            with start() as peer:
                _measure(found, samples, name, peer, 2.0)
        text.unlink()
    return [_report(found, fresh), read], found


def _measure(found: Costs, samples: int, name: str, program: Program, long: float) -> None:
    for packed in (True, False):
        cost = measure(program, gzip=packed, seconds=long)
        known = found.get((samples, name, packed))
        if known is None or cost.wall < known.wall:
            found[samples, name, packed] = cost


def _body(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    body = connection.getresponse().read()
    connection.close()
    return body


def _report(found: Costs, fresh: int) -> Section:
    section = Section("Scrapes")
    section.say(
        "All serve the same families, the exporter's own included; nginx serves the exporter's very bytes from a file, "
        f"compressed beforehand; of both the best of {TURNS} turns counts. Peers that take seconds are scraped once."
    )
    for samples in SIZES:
        rows = []
        for name in (OURS, NGINX, GOLANG, PUSHGATEWAY, PYTHON):
            packed, plain = found[samples, name, True], found[samples, name, False]
            cells = (
                part for cost in (packed, plain) for part in (seconds(cost.wall), seconds(cost.cpu), size(cost.size))
            )
            rows.append((name, *cells))
        header = ("", "gzip: wall", "CPU", "bytes", "plain: wall", "CPU", "bytes")
        section.say(f"{samples:,} samples:")
        section.table(header, rows)
    ours, peer = found[COMPARED, OURS, True], found[COMPARED, GOLANG, True]
    section.say(
        f"A gzip scrape of {COMPARED:,} samples has {size(fresh)} right after the start, and {size(ours.size)} after "
        f"{QUIET:.0f} s without a change."
    )
    share = ours.size / peer.size
    section.goal(
        f"bytes of a gzip scrape of {COMPARED:,} samples beside client_golang",
        "1.05 times",
        f"{share:.2f} times",
        reached=share <= 1.05,  # noqa: PLR2004
    )
    python = found[COMPARED, PYTHON, True].cpu / ours.cpu
    golang = min(found[COMPARED, name, True].cpu for name in (GOLANG, PUSHGATEWAY)) / ours.cpu
    wall = ours.wall / found[COMPARED, NGINX, True].wall
    what = f"a gzip scrape of {COMPARED:,} samples"
    section.goal(f"{what}: CPU beside prometheus_client", "1/100", f"1/{python:.0f}", reached=python >= 100)  # noqa: PLR2004
    section.goal(f"{what}: CPU beside the better of Go's", "1/50", f"1/{golang:.0f}", reached=golang >= 50)  # noqa: PLR2004
    section.goal(f"{what}: wall beside a file of nginx", "3 times", times(wall), reached=wall <= 3)  # noqa: PLR2004
    return section
