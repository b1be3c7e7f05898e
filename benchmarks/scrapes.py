"""A scrape of the exporter beside one of the same families from what a user would pick instead."""

from __future__ import annotations

import gzip
import http.client
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from functools import partial
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from benchmarks import daemons, readers
from benchmarks.compared import Figure
from benchmarks.peers import servers
from benchmarks.report import Section, seconds, size, spread, times
from benchmarks.scraping import Turns, measure
from exporter.publishing.repacking import LOOK_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.compared import Compared
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
"""Of the exporter and of nginx, whose walls are short and differ from turn to turn."""
PEER_TURNS = {10_000: 3, 100_000: 3, 1_000_000: 1}
"""Of the peers, of which a scrape takes seconds where there are many samples."""
Costs = dict[tuple[int, str, bool], Turns]
"""The cost of a scrape by samples, server, and whether it was compressed."""
BEFORE = "the version before"


def run(folder: Path, golang: Path, compared: Compared) -> tuple[list[Section], Costs]:
    """Measure all of it."""
    found: Costs = defaultdict(Turns)
    read, fresh = Section("Readers of the gzip member"), 0
    for samples in SIZES:
        text = folder / f"text-{samples}"
        count, state = daemons.stored(folder, samples)
        with (
            daemons.exporter(daemons.write_config(folder, count, state=state)) as program,
            _before(folder, samples, compared) as before,
        ):
            body = _body(program.port)
            text.write_bytes(gzip.decompress(body))
            if samples == COMPARED:
                fresh = len(body)
                readers.run(read, program.port, golang, text.read_bytes())
                time.sleep(QUIET)  # the time of an exporter that runs for a while
                body = _body(program.port)
            with servers.nginx(text, body) as floor:
                for _ in range(TURNS):  # whatever else the machine does meets all
                    _measure(found, samples, OURS, program, 1.0)
                    _measure(found, samples, NGINX, floor, 1.0)
                    if before:
                        _measure(found, samples, BEFORE, before, 1.0)
        _compare(found, samples, compared)
        peers: tuple[tuple[str, Callable[[], AbstractContextManager[Program]]], ...] = (
            (GOLANG, partial(servers.client_golang, golang, text)),
            (PUSHGATEWAY, partial(servers.pushgateway, text)),
            (PYTHON, partial(servers.client_python, text)),
        )
        for name, start in peers:
            with start() as peer:
                for _ in range(PEER_TURNS[samples]):
                    _measure(found, samples, name, peer, 1.0)
        text.unlink()
    return [_report(found, fresh), read], found


@contextmanager
def _before(folder: Path, samples: int, compared: Compared) -> Iterator[Program | None]:
    """The version before with so many samples, scraped once; None where there is none that can be measured."""
    with ExitStack() as stack:
        found = None
        if compared.before:
            try:
                count, state = daemons.stored(folder, samples, root=compared.before)
                config = daemons.write_config(folder, count, state=state)
                found = stack.enter_context(daemons.exporter(config, root=compared.before))
                _body(found.port)
            except (RuntimeError, OSError, CalledProcessError) as error:
                print(f"bench: the version before cannot be measured: {error}", file=sys.stderr)
                found = None
        yield found


def _compare(found: Costs, samples: int, compared: Compared) -> None:
    for packed, form in ((True, "gzip"), (False, "plain")):
        now, before = found[samples, OURS, packed], found[samples, BEFORE, packed]
        what = f"a {form} scrape of {samples:,} samples"
        compared.figures += [
            Figure(f"wall of {what}", seconds, tuple(now.walls), tuple(before.walls)),
            Figure(f"CPU of {what}", seconds, tuple(now.cpus), tuple(before.cpus)),
            Figure(f"bytes of {what}", size, *(tuple(cost.size for cost in each.costs) for each in (now, before))),
        ]


def _measure(found: Costs, samples: int, name: str, program: Program, long: float) -> None:
    for packed in (True, False):
        found[samples, name, packed].costs.append(measure(program, gzip=packed, seconds=long))


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
        f"compressed beforehand. Medians, with the least and the most of {TURNS} turns; peers have three, and one "
        "where a million samples take them seconds."
    )
    for samples in SIZES:
        rows = []
        for name in (OURS, NGINX, GOLANG, PUSHGATEWAY, PYTHON):
            packed, plain = found[samples, name, True], found[samples, name, False]
            cells = (
                part
                for cost in (packed, plain)
                for part in (spread(cost.walls, seconds), spread(cost.cpus, seconds), size(cost.size))
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
    beside = zip(ours.walls, found[COMPARED, NGINX, True].walls, strict=True)
    walls = spread([mine / floor for mine, floor in beside], times)
    what = f"a gzip scrape of {COMPARED:,} samples"
    section.goal(f"{what}: CPU beside prometheus_client", "1/100", f"1/{python:.0f}", reached=python >= 100)  # noqa: PLR2004
    section.goal(f"{what}: CPU beside the better of Go's", "1/50", f"1/{golang:.0f}", reached=golang >= 50)  # noqa: PLR2004
    section.say(f"The wall of {what} is {walls} that of nginx's file.")
    return section
