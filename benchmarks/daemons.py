"""The exporter itself as a process, as an operator starts it, on a state file that knows a fleet already."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks import fleet
from benchmarks.programs import ROOT, Program, free_port, module

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "http://127.0.0.1:9"
"""A CircleCI that is never asked: nothing is due before the measurement is over."""
TOKEN = {"CIRCLECI_TOKEN": "benchmark-token"}


def write_config(  # noqa: PLR0917
    folder: Path, count: int, url: str = NOBODY, state: Path | None = None, limits: str = "", defaults: str = ""
) -> Path:
    """A configuration of so many projects of the fleet."""
    lines = "".join(f"  - {fleet.slug(index)}\n" for index in range(count))
    file = folder / f"config-{count}-{time.monotonic_ns()}.yaml"
    file.write_text(
        f"circleci: {{url: '{url}'{limits}}}\n"
        f"state: {{path: {state or 'null'}}}\n"
        f"defaults: {{{defaults or 'interval: 1d'}}}\n"
        f"projects:\n{lines or '  - gh/acme/none'}\n"
    )
    return file


def stored(folder: Path, samples: int, url: str = NOBODY, root: Path = ROOT) -> tuple[int, Path]:
    """The number of projects with about so many samples, and a state file of them by the version in a folder."""
    count = fleet.count_for(samples) if samples else 0
    path = folder / f"state-{samples}-{url.rpartition(':')[2]}-{root.name}.db"  # a state is one server's
    if not path.exists() and count:
        subprocess.run(module("benchmarks.fleet", path, count, f"{url}/api/v2"), check=True, cwd=root)  # noqa: S603
    return count, path


def exporter(config: Path, *, isal: bool = True, root: Path = ROOT) -> Program:
    """The daemon of the version in a folder, not yet waited for."""
    port = free_port()
    names = ("exporter",) if isal else ("benchmarks.without_isal", "exporter")
    command = module(*names, "run", "--config.file", config, "--web.listen-address", f"127.0.0.1:{port}")
    return Program([*command, "--log.level", "error"], port, TOKEN, root=root)
