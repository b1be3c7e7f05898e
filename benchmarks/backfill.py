"""`backfill` of 1,000 workflows and 2 million runs, then promtool over its files: `python -m benchmarks.backfill DIR`.

It writes its section of RESULTS.md, which `make bench` keeps. The synthetic CircleCI here makes pages as fast as it
can, in a process of its own. Takes 7 GB of disk in DIR, an empty folder, and about 10 minutes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from benchmarks import report
from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

PROJECTS, WORKFLOWS, RUNS, PAGE = 40, 25, 2000, 250
DAYS = 89.5
TITLE = "Backfill"
STATUSES = ("success", "success", "success", "failed")


class CircleCI(BaseHTTPRequestHandler):
    """Projects, the names of their workflows, and pages of runs, the newest first."""

    protocol_version = "HTTP/1.1"
    began = time.time()

    def do_GET(self) -> None:
        """Answer one question."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "/project/" in parts.path:
            body: dict[str, object] = {
                "name": "p",
                "organization_name": "bench",
                "vcs_info": {"default_branch": "main"},
            }
        elif parts.path.endswith("/workflows"):
            body = {
                "items": [{"name": f"workflow-{number:02}"} for number in range(WORKFLOWS)],
                "next_page_token": None,
            }
        else:
            first = int(query.get("page-token", ["0"])[0])
            following = str(first + PAGE) if first + PAGE < RUNS else None
            owner = hash(parts.path) & 0xFFFFFFFF
            items = [self.run(owner, number) for number in range(first, min(first + PAGE, RUNS))]
            body = {"items": items, "next_page_token": following}
        written = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def run(self, owner: int, number: int) -> dict[str, object]:
        """One run."""
        created = self.began - 3700 - number * DAYS * 86_400 / RUNS
        duration = 20 + (owner + number * 7919) % 3000
        return {
            "id": f"{owner:08x}-0000-4000-8000-{number:012x}",
            "branch": "main",
            "status": STATUSES[number % 4],
            "created_at": stamp(created),
            "stopped_at": stamp(created + duration),
            "duration": duration,
            "credits_used": number % 100,
            "is_approval": False,
        }

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def stamp(moment: float) -> str:
    """A moment as CircleCI writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def serve(told: Connection) -> None:
    """Answer until the process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), CircleCI)
    told.send(server.server_port)
    server.serve_forever()


class Used(NamedTuple):
    """What a command took: wall time and CPU in seconds, and peak resident memory in bytes."""

    wall: float
    cpu: float
    peak: float


def measured(process: subprocess.Popen[str], began: float) -> Used:
    """What a process that must succeed took until it ended."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args!r} ended with {process.returncode}")
    return Used(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def backfilled(folder: Path) -> tuple[Used, float, int]:
    """Run `backfill`: what it took, the seconds until it began to write, and the bytes that it had kept by then."""
    began = time.monotonic()
    program = str(Path(sys.executable).with_name("circleci-insights-exporter"))
    labels = ("--label", "job=circleci", "--label", "instance=exporter:10115")
    process = subprocess.Popen(  # noqa: S603  its own
        (program, "backfill", "--output", "out", *labels),
        cwd=folder,
        env={**os.environ, "CIRCLECI_TOKEN": "bench"},
        stderr=subprocess.PIPE,
        text=True,
    )
    reading, spooled = 0.0, 0
    for line in process.stderr or ():
        print(line, end="", file=sys.stderr)
        if "reading runs" in line:  # the last such line comes with the last page
            reading = time.monotonic() - began
            spooled = sum(path.stat().st_size for path in folder.glob("state.db.backfill*"))
    return measured(process, began), reading, spooled


def blocks(folder: Path, file: Path) -> Used:
    """Run promtool over a file."""
    create = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h", "--quiet")
    began = time.monotonic()
    return measured(subprocess.Popen((*create, str(file), "blocks"), cwd=folder, text=True), began)  # noqa: S603


def section(folder: Path, url: str) -> report.Section:
    """Measure, as a section of the results."""
    slugs = ", ".join(f"gh/bench/p{number:02}" for number in range(PROJECTS))
    (folder / "config.yaml").write_text(
        f"circleci: {{url: '{url}', requests_per_second: 1000, burst: 100, concurrency: 8}}\n"
        f"state: {{path: state.db}}\ndefaults: {{collectors: [runs]}}\nprojects: [{slugs}]\n"
    )
    load = os.getloadavg()[0]
    used, reading, spooled = backfilled(folder)
    files = sorted((folder / "out").glob("*.om"))
    rows = [
        (
            "reading",
            report.seconds(reading),
            "",
            "",
            f"{report.size(spooled)} beside the state file, removed at the end",
        ),
        ("writing", report.seconds(used.wall - reading), "", "", f"{size(files)} in {len(files)} files"),
        ("`backfill` in all", *shown(used), f"{report.size((folder / 'state.db').stat().st_size)} of state"),
    ]
    for number, path in enumerate(files, 1):
        took = shown(blocks(folder, path))
        rows.append((f"promtool, file {number} of {len(files)}", *took, f"{size([path])} read"))
    made = [path for path in (folder / "blocks").rglob("*") if path.is_file()]
    rows[-1] = (*rows[-1][:-1], f"{rows[-1][-1]}; {size(made)} of blocks")
    found = report.Section(TITLE)
    found.say(
        f"Written by `python -m benchmarks.backfill`. {PROJECTS * WORKFLOWS:,} workflows with {RUNS:,} runs each, "
        f"{PROJECTS * WORKFLOWS * RUNS:,} in all, spread over 90 days, a sample an hour. The synthetic CircleCI is a "
        f"process on the same 2 cores. The load average before it began was {load:.1f}: other programs lengthen walls, "
        f"not CPU. Reading against the real one takes as long as the rate limit says: "
        f"{PROJECTS * WORKFLOWS * RUNS // PAGE:,} pages."
    )
    found.table(("", "wall", "CPU", "peak memory", "bytes"), rows)
    return found


def shown(used: Used) -> tuple[str, str, str]:
    """Cells of a row."""
    return report.seconds(used.wall), report.seconds(used.cpu), report.size(used.peak)


def size(files: Sequence[Path]) -> str:
    """The bytes of files."""
    return report.size(sum(path.stat().st_size for path in files))


def main(folder: Path) -> None:
    """Measure, and write the section."""
    told, tell = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(tell,), daemon=True)
    server.start()
    try:
        found = section(folder, f"http://127.0.0.1:{told.recv()}")
    finally:
        server.kill()
    RESULTS.write_text(report.replaced(RESULTS.read_text(), found))
    print("\n".join(found.lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
