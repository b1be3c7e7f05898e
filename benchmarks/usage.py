"""A Usage export of 1 GiB of gzip, read into a state file: `python -m benchmarks.usage DIR`. Writes USAGE.md.

DIR is an empty folder with room for 3 GB. The rows are as CircleCI's: 48 columns, of which seven are random UUIDs, so
that they compress badly. Beside it, Python's csv module reads the same file and does nothing with it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks import report
from exporter.client import Client, Limiter
from exporter.config import TokenSource, parse
from exporter.demo.usage.rows import COLUMNS
from exporter.state import StateStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry
from exporter.usage.api import BURST, CONCURRENCY, RATE, UsageApi
from exporter.usage.counting import Sums
from exporter.usage.files import Files
from exporter.usage.planning import Progress

RESULTS = Path(__file__).parent / "USAGE.md"
SIZES = ((100_000, "a day of 100,000 job runs"), (1_000_000, "1,000,000 job runs"), (0, "1 GiB of gzip"))
"""Rows of each file, 0 for as many as there are in a gibibyte; and what it is called."""
GIBIBYTE = 1 << 30
PROJECTS, JOBS, CLASSES, DAYS = 50, 2000, 20, 3
BLOCK = 5000
SLUG = "gh/acme"
MOST_MEMORY = 100 * 1_048_576


def make(path: Path, rows: int) -> int:
    """Write a file; returns how many rows it has."""
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write((",".join(COLUMNS) + "\n").encode())
        made = 0
        while made < rows if rows else path.stat().st_size < GIBIBYTE:
            file.write("".join([_row(made + number) for number in range(BLOCK)]).encode())
            made += BLOCK
    return made


def _row(number: int) -> str:
    random = os.urandom(112).hex()
    pipeline, workflow, job, user, build = (_uuid(random[32 * place : 32 * place + 32]) for place in range(5))
    name = number * 7919 % JOBS
    day = 20 + number % DAYS
    second, wait, took = number * 37 % 86_000, int(random[200:202], 16), 15 + int(random[202:205], 16)
    queued, started, stopped = (_time(day, second), _time(day, second + wait), _time(day, second + wait + took))
    use = ",".join(f"{int(random[place : place + 3], 16) % 1000 / 10}" for place in range(206, 218, 3))
    paid = took // 6 * (1 + name % CLASSES)
    project, status = f"project-{name % PROJECTS}", "failed" if build[0] == "0" else "success"
    fields = (
        f"0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10,acme,2019-03-04,{_uuid(f'{name % PROJECTS:032x}')},{project},2020-01-02",
        f"{stopped},GitHub,https://github.com/acme/{project},main,{pipeline},{queued},{number},false,webhook,{user}",
        f"{workflow},workflow-{name % 7},{queued},{started},{stopped},true,job-{name},{number},{job},2026-11-{day}",
        f"{queued},{started},{stopped},{status},class-{name % CLASSES},Linux,Docker,1,{took},{use}",
        f"{paid},0,0,0,{number % 3},0,0,0,{paid + number % 3}\n",
    )
    return ",".join(fields)


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _time(day: int, second: int) -> str:
    second = min(second, 86_399)
    return f"2026-11-{day} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{second % 1000:03}"


def read(path: Path, state: Path) -> dict[str, float]:
    """Download, read and count a file, as the exporter does; what it took."""
    log = configure("error", "logfmt")
    stop, telemetry = threading.Event(), Telemetry("1", ())
    with serving(path) as url:
        text = f"circleci: {{url: '{url}'}}\nstate: {{path: '{state}'}}\nusage: {{organizations: [{SLUG}]}}\n"
        store = StateStore.open(state, "bench", telemetry, log)
        circleci, limiter = parse(text).circleci, Limiter(RATE, BURST, CONCURRENCY, stop=stop)
        tokens = partial(TokenSource, environ={"CIRCLECI_TOKEN": "none"})
        api = UsageApi(Client(circleci, tokens, limiter, telemetry, stop, "1"), limiter)
        sums = Sums({}, (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0))
        store.usage.write(SLUG, Progress())
        before, began, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), time.process_time()
        Files(api, store.usage, stop, print).read(SLUG, 0, [f"{url}/file"], sums)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        began = time.monotonic()
        store.usage.use_of(SLUG, sums.newest)
        ratios = time.monotonic() - began
        store.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": took,
        "cpu": cpu,
        "rows": sums.rows,
        "counted": sum(n for key, n in sums.added(SLUG).items() if "job_runs" in key.family and isinstance(n, int)),
        "series": len(sums.added(SLUG)),
        "ratios": ratios,
        "before": before * 1024,
        "peak": usage.ru_maxrss * 1024,
        "state": sum(each.stat().st_size for each in state.parent.glob(f"{state.name}*")),
    }


def read_by_csv(path: Path) -> dict[str, float]:
    """Read the same file with Python's csv module."""
    began, cpu, rows = time.monotonic(), time.process_time(), 0
    with gzip.open(path, "rt", newline="") as file:
        for _ in csv.reader(file):
            rows += 1
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu, "rows": rows - 1}


class serving:  # noqa: N801  used as a function
    """Serves one file on loopback, in a process of its own so that its memory and its work are not measured."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._process = subprocess.Popen(  # noqa: S603  this program
            [sys.executable, "-m", "benchmarks.usage", "--serve", str(self._path)], stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        return f"http://127.0.0.1:{int(line)}"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def serve(path: Path) -> None:
    """Serve a file at every path, until killed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def _measured(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603  this program
        [sys.executable, "-m", "benchmarks.usage", *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure every size, and write USAGE.md."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.usage", description=__doc__)
    options.add_argument("folder", type=Path, nargs="?")
    options.add_argument("--only", type=int, choices=range(len(SIZES)), help="measure one size, and write no file")
    options.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--csv", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve(given.serve)
    if given.read:
        print(json.dumps(read(given.read, given.read.with_suffix(".db"))))
        return 0
    if given.csv:
        print(json.dumps(read_by_csv(given.csv)))
        return 0
    section = report.Section("Usage export")
    table, reached = [], True
    for number, (rows, name) in enumerate(SIZES):
        if given.only not in {None, number}:
            continue
        path = given.folder / f"{number}.csv.gz"
        make(path, rows)
        ours, plain = _measured("--read", str(path)), _measured("--csv", str(path))
        if not ours["rows"] == ours["counted"] == plain["rows"]:
            raise RuntimeError(f"not every row counted once: {ours}, {plain}")
        table.append(_line(name, path, ours, plain))
        reached = reached and ours["peak"] < MOST_MEMORY
        for each in given.folder.glob(f"{number}.*"):
            each.unlink()
    section.table(
        (
            "file",
            "gzip",
            "rows",
            "exporter, rows/s",
            "csv module, rows/s",
            "exporter, rows per second of CPU",
            "csv module, the same",
            "peak memory",
            "medians and maxima",
            "state file",
        ),
        table,
    )
    section.say(
        "The exporter commits after every 8,192 rows, and waits for the disk each time: while other programs use it, "
        "that limits its rows per second. Rows per second of CPU do not depend on them."
    )
    section.goal("1 GiB of gzip", "under 100 MiB of memory", "see the table", reached=reached)
    text = "\n".join((f"# {section.title}", "", *__doc__.splitlines()[2:], "", report.machine(), "", *section.lines))
    print(text)
    if given.only is None:
        RESULTS.write_text(text)
    return 0 if reached else 1


def _line(name: str, path: Path, ours: dict[str, Any], plain: dict[str, Any]) -> tuple[str, ...]:
    rate, by_csv = ours["rows"] / ours["seconds"], plain["rows"] / plain["seconds"]
    return (
        name,
        report.size(path.stat().st_size),
        f"{ours['rows']:,}",
        f"{rate:,.0f}",
        f"{by_csv:,.0f}",
        f"{ours['rows'] / ours['cpu']:,.0f}",
        f"{plain['rows'] / plain['cpu']:,.0f}",
        f"{ours['peak'] / 1_048_576:.0f} MiB",
        report.seconds(ours["ratios"]),
        report.size(ours["state"]),
    )


if __name__ == "__main__":
    raise SystemExit(main())
