"""`backfill` of 1,000 workflows and 2 million runs, then promtool over its files: `python -m benchmarks.backfill DIR`.

The synthetic CircleCI here makes pages as fast as it can, in a process of its own. Takes about 10 GB of disk.
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
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PROJECTS, WORKFLOWS, RUNS, PAGE = 40, 25, 2000, 250
DAYS = 89.5
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


def measured(*command: str, folder: Path) -> tuple[float, float, float]:
    """Wall time and CPU in seconds, and peak resident memory in MB, of a command that must succeed."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "CIRCLECI_TOKEN": "bench"})  # noqa: S603  its own
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main(folder: Path) -> None:
    """Measure, and print rows for the results."""
    told, tell = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(tell,), daemon=True)
    server.start()
    slugs = ", ".join(f"gh/bench/p{number:02}" for number in range(PROJECTS))
    (folder / "config.yaml").write_text(
        f"circleci: {{url: 'http://127.0.0.1:{told.recv()}', requests_per_second: 1000, burst: 100, concurrency: 8}}\n"
        f"state: {{path: state.db}}\ndefaults: {{collectors: [runs]}}\nprojects: [{slugs}]\n"
    )
    program = str(Path(sys.executable).with_name("circleci-insights-exporter"))
    labels = ("--label", "job=circleci", "--label", "instance=exporter:10115")
    rows = {"backfill": measured(program, "backfill", "--output", "out", *labels, folder=folder)}
    server.kill()
    files = sorted((folder / "out").glob("*.om"))
    size = sum(path.stat().st_size for path in files)
    for path in files:
        create = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h", "--quiet")
        rows[f"promtool, {path.stat().st_size / 1e9:.2f} GB"] = measured(*create, str(path), "blocks", folder=folder)
    print("|  | wall | CPU | peak memory |\n|---|---|---|---|")
    for name, (wall, cpu, peak) in rows.items():
        print(f"| {name} | {wall:.0f} s | {cpu:.0f} s | {peak:.0f} MB |")
    stored = sum(path.stat().st_size for path in (folder / "blocks").rglob("*") if path.is_file())
    print(f"\n{PROJECTS * WORKFLOWS:,} workflows, {PROJECTS * WORKFLOWS * RUNS:,} runs:")
    print(f"{size / 1e9:.2f} GB in {len(files)} files, {stored / 1e6:.0f} MB of blocks,")
    print(f"{(folder / 'state.db').stat().st_size / 1e6:.1f} MB of state.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
