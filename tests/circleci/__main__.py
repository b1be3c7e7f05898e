"""The synthetic CircleCI as a process of its own: `python -m tests.circleci --seed 1`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

from exporter.demo.circleci import DEMO_TOKEN
from exporter.system.signals import on_signals
from tests.circleci.circle import Circle
from tests.circleci.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    options = argparse.ArgumentParser(prog="python -m tests.circleci", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    options.add_argument("--seed", type=int, default=1, help="what happens is a function of it and of time")
    options.add_argument("--token", default=DEMO_TOKEN, help="the token to ask for")
    options.add_argument("--start", type=float, help="where the clock begins, Unix seconds; default now")
    options.add_argument("--speed", type=float, default=1.0, help="seconds of the clock a real second; 0 stands still")
    options.add_argument("--refresh", type=float, default=86_400.0, help="seconds between aggregations")
    options.add_argument("--pace", type=float, default=1.0, help="how many times as many runs from now on")
    options.add_argument("--quiet", action="store_true", help="no runs but those that are posted")
    options.add_argument("--delay", type=float, default=0.0, help="seconds until Insights lists what happens to a run")
    options.add_argument("--projects", type=int, default=0, help="a fleet of so many projects in place of the built-in")
    options.add_argument("--workflows", type=int, default=2, help="workflows of each project of the fleet")
    options.add_argument("--jobs", type=int, default=3, help="jobs of each workflow of the fleet")
    return options


def main(arguments: Sequence[str] | None = None, ended: threading.Event | None = None) -> int:
    """Print the URL, serve until SIGTERM or SIGINT (or `ended`, from another thread), exit 0."""
    given = parser().parse_args(arguments)
    wanted = fleet(given.seed, given.projects, given.workflows, given.jobs) if given.projects else None
    circle = Circle(
        seed=given.seed,
        projects=wanted,
        start=given.start,
        speed=given.speed,
        refresh=given.refresh,
        pace=given.pace,
        quiet=given.quiet,
        delay=given.delay,
        token=given.token,
        port=given.port,
    )
    stop = ended or threading.Event()
    if threading.current_thread() is threading.main_thread():
        on_signals({signal.SIGTERM: stop.set, signal.SIGINT: stop.set})
    with circle:
        print(f"listening on {circle.url}", flush=True)  # noqa: T201  the line that a caller waits for
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
