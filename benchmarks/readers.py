"""Whether the one gzip member is read by Go, curl, zlib and Prometheus, each through its own reader."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.programs import Program, free_port

if TYPE_CHECKING:
    from benchmarks.report import Section

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: bench
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
PATIENCE = 60.0


def run(section: Section, port: int, golang: Path, text: bytes) -> None:
    """Let each of them read it, and note how many samples it found."""
    wanted = sum(1 for line in text.splitlines() if line[:1] != b"#")
    url = f"http://127.0.0.1:{port}/metrics"
    rows = [
        ("Go, gzip.Reader, one member", _go(url, golang)),
        ("curl --compressed", _curl(url)),
        ("zlib, one member and nothing after it", _zlib(url)),
        ("Prometheus", _prometheus(port)),
    ]
    section.table(("reader", "samples"), [(name, f"{count:,}") for name, count in rows])
    good = all(count == wanted for _, count in rows)
    section.goal(
        "one gzip member for Go, curl, zlib, Prometheus",
        f"{wanted:,} samples each",
        "all" if good else "not all",
        reached=good,
    )


def _samples(text: bytes) -> int:
    return sum(1 for line in text.splitlines() if line[:1] != b"#")


def _go(url: str, golang: Path) -> int:
    return int(subprocess.run([golang, "read", url], check=True, capture_output=True).stdout)  # noqa: S603  our own


def _curl(url: str) -> int:
    command = ["curl", "--silent", "--show-error", "--fail", "--compressed", url]
    return _samples(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603  loopback


def _zlib(url: str) -> int:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  loopback
        reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
        text = reader.decompress(answer.read())
    return _samples(text) if reader.eof and not reader.unused_data else -1


def _prometheus(port: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder, own = Path(name), free_port()
        (folder / "p.yml").write_text(PROMETHEUS.format(port=port))
        command = ["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{own}", "--log.level=error"]
        with Program(command, own):
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                found = _ask(own, "scrape_samples_scraped{job='bench'} and up == 1")
                if found:
                    return int(found[0]["value"][1])
                time.sleep(0.25)
    return -1


def _ask(port: int, query: str) -> list[dict[str, list[str]]]:
    url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(query)}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            result: list[dict[str, list[str]]] = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return result
