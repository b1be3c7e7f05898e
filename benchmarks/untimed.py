"""What can share the machine, done on all cores while the blocks of exporters become quiet: nothing is timed meanwhile.

The Go peer, the state files, memory under churn, the API calls of a day.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import daemons
from benchmarks.day import Day
from benchmarks.peers import servers
from benchmarks.programs import ROOT, printed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.compared import Compared


class Untimed(NamedTuple):
    """The Go peer's program, what `churn` printed, the day of this version, and the calls of the day of both."""

    golang: Path
    churn: list[tuple[int, int, int]]
    day: Day
    calls: dict[Path, list[int]]


def run(folder: Path, sizes: Sequence[int], compared: Compared) -> Untimed:
    """Do all of it; state files have about so many samples."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        churn = pool.submit(printed, ROOT, "benchmarks.churn")  # the longest is begun first
        golang = pool.submit(servers.build_golang, folder)
        lived = pool.submit(_days, compared)
        states = [pool.submit(compared.turns, 1, partial(daemons.stored, folder, samples)) for samples in sizes]
        for state in states:
            state.result()
        return Untimed(golang.result(), churn.result(), *lived.result())


def _days(compared: Compared) -> tuple[Day, dict[Path, list[int]]]:
    day = Day(**printed(ROOT, "benchmarks.day"))
    ours = sum(day.ours)
    return day, compared.turns(1, lambda root: ours if root == ROOT else printed(root, "benchmarks.day", "--calls"))
