"""The exporter itself as a process, as an operator starts it, on a state file that knows a fleet already."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks import fleet
from benchmarks.programs import ROOT, Program, free_port, module

if TYPE_CHECKING:
    from pathlib import Path

PORT = free_port()
CIRCLECI = f"http://127.0.0.1:{PORT}"
"""The CircleCI of all state files. It runs where polls are measured; elsewhere nothing is due and it is never asked."""
TOKEN = {"CIRCLECI_TOKEN": "benchmark-token"}


def write_config(folder: Path, count: int, state: Path | None = None, limits: str = "", defaults: str = "") -> Path:
    """A configuration of so many projects of the fleet."""
    lines = "".join(f"  - {fleet.slug(index)}\n" for index in range(count))
    file = folder / f"config-{count}-{time.monotonic_ns()}.yaml"
    file.write_text(
        f"circleci: {{url: '{CIRCLECI}'{limits}}}\n"
        f"state: {{path: {state or 'null'}}}\n"
        f"defaults: {{{defaults or 'interval: 1d'}}}\n"
        f"projects:\n{lines or '  - gh/acme/none'}\n"
    )
    return file


def stored(folder: Path, samples: int, root: Path = ROOT) -> tuple[int, Path]:
    """The number of projects with about so many samples, and a state file of them by the version in a folder."""
    count = fleet.count_for(samples) if samples else 0
    path = folder / f"state-{samples}-{root.name}.db"
    if not path.exists() and count:
        subprocess.run(module("benchmarks.fleet", path, count, f"{CIRCLECI}/api/v2"), check=True, cwd=root)  # noqa: S603
    return count, path


def exporter(config: Path, *, isal: bool = True, root: Path = ROOT) -> Program:
    """The daemon of the version in a folder, not yet waited for."""
    port = free_port()
    names = ("exporter",) if isal else ("benchmarks.without_isal", "exporter")
    command = module(*names, "run", "--config.file", config, "--web.listen-address", f"127.0.0.1:{port}")
    return Program([*command, "--log.level", "error"], port, TOKEN, root=root)
