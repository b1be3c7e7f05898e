"""A scrape of the exporter beside one of the same families from what a user would pick instead."""

from __future__ import annotations

import gzip
import http.client
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from benchmarks import daemons, readers, untimed
from benchmarks.compared import Figure
from benchmarks.peers import servers
from benchmarks.programs import ROOT
from benchmarks.report import Section, seconds, size, spread, times
from benchmarks.scraping import Turns, measure
from exporter.publishing.repacking import LOOK_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.compared import Compared
    from benchmarks.programs import Program
    from benchmarks.untimed import Untimed

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
MOST_FRESH, MOST_QUIET = 950_000, 750_000
LONG = 0.3
"""Seconds of scrapes in a turn."""
TURNS = 5
"""Of the exporter and of nginx, whose walls are short and differ from turn to turn."""
PEER_TURNS, SLOW = 3, 1.0
"""Of the peers; one where a scrape takes longer than so many seconds."""
ONLY_PACKED = 1_000_000
"""So many samples the peers are asked for in one form: a scrape takes them half a minute."""
Costs = dict[tuple[int, str, bool], Turns]
"""The cost of a scrape by samples, server, and whether it was compressed."""
BEFORE = "the version before"


def run(folder: Path, compared: Compared) -> tuple[list[Section], Costs, Untimed]:
    """Measure all of it, and do what is not timed while blocks become quiet."""
    found: Costs = defaultdict(Turns)
    read = Section("Readers of the gzip member")
    with _exporters(folder, COMPARED, compared) as (program, before):
        fresh, began = len(_body(program.port)), time.monotonic()
        shared = untimed.run(folder, SIZES, compared)
        time.sleep(max(0.0, QUIET - (time.monotonic() - began)))  # the time of an exporter that runs for a while
        waited = time.monotonic() - began
        print(f"bench: what is not timed took {waited:.0f} s", file=sys.stderr, flush=True)
        readers.run(read, program.port, shared.golang, gzip.decompress(_body(program.port)))
        text = _side_by_side(folder, found, COMPARED, program, before)
    _peers(found, COMPARED, shared.golang, text)
    for samples in SIZES:
        if samples != COMPARED:
            with _exporters(folder, samples, compared) as (program, before):
                text = _side_by_side(folder, found, samples, program, before)
            _peers(found, samples, shared.golang, text)
    for samples in SIZES:
        _compare(found, samples, compared)
    return [_report(found, fresh, waited), read], found, shared


@contextmanager
def _exporters(folder: Path, samples: int, compared: Compared) -> Iterator[tuple[Program, Program | None]]:
    """This version and the one before with so many samples, each scraped once; None where that cannot be measured."""
    with ExitStack() as stack:
        ours, before = stack.enter_context(_started(folder, samples, ROOT)), None
        if compared.before:
            try:
                before = stack.enter_context(_started(folder, samples, compared.before))
            except (RuntimeError, OSError, CalledProcessError) as error:
                print(f"bench: the version before cannot be measured: {error}", file=sys.stderr)
        yield ours, before


@contextmanager
def _started(folder: Path, samples: int, root: Path) -> Iterator[Program]:
    count, state = daemons.stored(folder, samples, root)
    with daemons.exporter(daemons.write_config(folder, count, state=state), root=root) as program:
        _body(program.port)
        yield program


def _side_by_side(folder: Path, found: Costs, samples: int, ours: Program, before: Program | None) -> Path:
    """Measure the exporter, a file of its text and the version before; whatever else the machine does meets all."""
    text, body = folder / f"text-{samples}", _body(ours.port)
    text.write_bytes(gzip.decompress(body))
    with servers.nginx(text, body) as floor:
        for _ in range(TURNS):
            _measure(found, samples, OURS, ours)
            _measure(found, samples, NGINX, floor)
            if before:
                _measure(found, samples, BEFORE, before)
    return text


def _peers(found: Costs, samples: int, golang: Path, text: Path) -> None:
    """Start them beside each other, and measure them in turn: each is idle while another is measured."""
    starts: dict[str, Callable[[], AbstractContextManager[Program]]] = {
        PUSHGATEWAY: partial(servers.pushgateway, text),
        GOLANG: partial(servers.client_golang, golang, text),
        PYTHON: partial(servers.client_python, text),
    }
    with ExitStack() as running:
        with ThreadPoolExecutor() as pool:
            peers = list(pool.map(lambda start: running.enter_context(start()), starts.values()))
        for turn in range(PEER_TURNS):
            for name, peer in zip(starts, peers, strict=True):
                if not turn or found[samples, name, True].wall < SLOW:
                    _measure(found, samples, name, peer, plain=samples != ONLY_PACKED)


def _compare(found: Costs, samples: int, compared: Compared) -> None:
    for packed, form in ((True, "gzip"), (False, "plain")):
        now, before = found[samples, OURS, packed], found[samples, BEFORE, packed]
        what = f"a {form} scrape of {samples:,} samples"
        compared.figures += [
            Figure(f"wall of {what}", seconds, tuple(now.walls), tuple(before.walls)),
            Figure(f"CPU of {what}", seconds, tuple(now.cpus), tuple(before.cpus)),
            Figure(f"bytes of {what}", size, *(tuple(cost.size for cost in each.costs) for each in (now, before))),
        ]


def _measure(found: Costs, samples: int, name: str, program: Program, *, plain: bool = True) -> None:
    for packed in (True, False) if plain else (True,):
        found[samples, name, packed].costs.append(measure(program, gzip=packed, seconds=LONG))


def _body(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    body = connection.getresponse().read()
    connection.close()
    return body


def _cells(cost: Turns) -> tuple[str, str, str]:
    if not cost.costs:
        return "not measured", "", ""
    return spread(cost.walls, seconds), spread(cost.cpus, seconds), size(cost.size)


def _report(found: Costs, fresh: int, waited: float) -> Section:
    section = Section("Scrapes")
    section.say(
        "All serve the same families, the exporter's own included; nginx serves the exporter's very bytes from a file, "
        f"compressed beforehand. Medians, with the least and the most of {TURNS} turns of {LONG} s; peers have "
        f"{PEER_TURNS}, and one where a scrape takes longer than {SLOW:.0f} s. {ONLY_PACKED:,} samples they are asked "
        "for only compressed."
    )
    for samples in SIZES:
        rows = [
            (name, *_cells(found[samples, name, True]), *_cells(found[samples, name, False]))
            for name in (OURS, NGINX, GOLANG, PUSHGATEWAY, PYTHON)
        ]
        header = ("", "gzip: wall", "CPU", "bytes", "plain: wall", "CPU", "bytes")
        section.say(f"{samples:,} samples:")
        section.table(header, rows)
    ours = found[COMPARED, OURS, True]
    section.say(
        f"A gzip scrape of {COMPARED:,} samples has {size(fresh)} right after the start, and {size(ours.size)} after "
        f"{waited:.0f} s without a change."
    )
    for when, found_size, most in (("right after the start", fresh, MOST_FRESH), ("when quiet", ours.size, MOST_QUIET)):
        what = f"bytes of a gzip scrape of {COMPARED:,} samples {when}"
        section.goal(what, size(most), size(found_size), reached=found_size <= most)
    python = found[COMPARED, PYTHON, True].cpu / ours.cpu
    golang = min(found[COMPARED, name, True].cpu for name in (GOLANG, PUSHGATEWAY)) / ours.cpu
    beside = zip(ours.walls, found[COMPARED, NGINX, True].walls, strict=True)
    walls = spread([mine / floor for mine, floor in beside], times)
    what = f"a gzip scrape of {COMPARED:,} samples"
    section.goal(f"{what}: CPU beside prometheus_client", "1/100", f"1/{python:.0f}", reached=python >= 100)  # noqa: PLR2004
    section.goal(f"{what}: CPU beside the better of Go's", "1/50", f"1/{golang:.0f}", reached=golang >= 50)  # noqa: PLR2004
    section.say(f"The wall of {what} is {walls} that of nginx's file.")
    return section
