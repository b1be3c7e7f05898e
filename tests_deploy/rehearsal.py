"""Two weeks of an exporter's life in a minute.

A synthetic CircleCI's clock is pushed on, and an exporter polls it. Each step's exposition is kept with the time that
it would have had. From then on the exporter runs in real time.
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.circleci import Circle
from tests.waiting import wait_until
from tests_deploy.processes import fetch, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "circleci-insights-exporter"
STEP = 8 * 3600.0
STEPS = 45
BEFORE = 60 * 86_400.0
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, concurrency: 8}}
defaults:
  interval: {interval}
  stale_after: 1h
  windows: [last-7-days]
  branches: ["*"]
  collectors: [workflows, jobs, runs, flaky_tests, tests, project, job_trend, workflow_summary]
  runs: {{interval: {interval}, lookback: 20d}}
  flaky_tests: {{top: 5}}
  tests: {{top: 8}}
  labels: {{team: demo}}
projects: [{projects}]
"""
COLLECTORS = 8
LAST_SUCCESS = re.compile(r"^circleci_exporter_collector_last_success_timestamp_seconds\{.*\} (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Rehearsal:
    """A running exporter, and what it would have exposed before now: time in seconds and exposition."""

    circle: Circle
    address: str
    past: list[tuple[float, str]] = field(default_factory=list)

    def openmetrics(self) -> Iterator[str]:
        """The past as promtool reads it, with the labels that a scrape would have added."""
        for then, text in self.past:
            late = time.time() - then
            for name, labels, value in SAMPLE.findall(text):
                # What the exporter says of its own clock was said in the real present.
                own = name.startswith(("circleci_exporter_", "process_")) and name.endswith("_timestamp_seconds")
                shown = repr(float(value) - late) if own else value
                target = f'instance="{self.address}",job="{JOB}"'
                yield f"{name}{{{target}{',' if labels else ''}{labels}}} {shown} {then:.0f}\n"
        yield "# EOF\n"


def _polled_since(address: str, since: float, projects: int) -> str:
    text = fetch(f"http://{address}/metrics").decode()
    good = [float(at) for at in LAST_SUCCESS.findall(text)]
    return text if len(good) == projects * COLLECTORS and min(good) > since else ""


def _trouble(circle: Circle) -> None:
    """Some of everything that goes wrong, and a limit that answers tell of: the exporter's dashboard shows both."""
    circle.limit(rate=1000.0, burst=2000)
    for times, chance in ((3, 1.0), (None, 0.05)):
        circle.fail("throttle", "jobs", times=times, chance=chance, retry_after=0.2)
        circle.fail("status", "test-metrics", times=times, chance=chance, code=500)
        circle.fail("status", "flaky-tests", times=times, chance=4 * chance, code=404, body='{"message": "Not found"}')
        circle.fail("close", "summary", times=times, chance=chance)


def _live(made: Rehearsal, steps: int) -> None:
    clock, projects = made.circle.clock, len(made.circle.organization.projects)
    begun = time.time()
    for index in range(steps):
        at = time.time()
        polled = partial(_polled_since, made.address, at, projects)
        text = wait_until(polled, 120, 0.05, why="a poll of everything")
        made.past.append((begun - (steps - index) * STEP, text))
        clock.advance(begun - (steps - index - 1) * STEP - clock.now())


@contextmanager
def rehearsal(folder: Path, steps: int = STEPS, seed: int = 3) -> Iterator[Rehearsal]:
    """Live through `steps` times eight hours until now, then go on in real time."""
    begin = time.time() - steps * STEP
    # The pace holds from the clock's first moment on: two months before anybody looks.
    with Circle(seed=seed, start=begin - BEFORE, refresh=3600.0, pace=2.0) as circle:
        circle.clock.advance(BEFORE)
        address = f"127.0.0.1:{free_port()}"
        configuration = folder / "config.yaml"
        slugs = ", ".join(
            # One with a name of its own, since its slug says nothing.
            f'{{slug: "{project.slug}", name: "acme/{project.name}"}}'
            if project.slug.startswith("circleci/")
            else project.slug
            for project in circle.organization.projects
        )
        text = partial(CONFIGURATION.format, url=circle.url, projects=slugs)
        configuration.write_text(text(interval="1s"), encoding="utf-8")
        command: list[str | Path] = [sys.executable, "-m", "exporter", "run", "--config.file", configuration]
        command += ["--config.watch", "--web.listen-address", address, "--log.level", "warn"]
        environment = {**os.environ, "CIRCLECI_TOKEN": circle.token}
        with running(command, f"http://{address}/-/ready", folder / "exporter.log", environment):
            made = Rehearsal(circle, address)
            _live(made, steps)
            configuration.write_text(text(interval="5s"), encoding="utf-8")
            _trouble(circle)
            yield made
