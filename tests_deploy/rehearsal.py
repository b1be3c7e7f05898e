"""Two weeks of an exporter's life in a minute or two: most of it in steps of hours, the last hours in steps of minutes.

A synthetic CircleCI's clock is pushed on, and an exporter polls it. Each step's exposition is kept with the time that
it would have had. From then on the exporter runs in real time.
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle
from tests.running.waiting import PATIENCE, wait_until
from tests_deploy.dashboards import BUSY, FLAKY
from tests_deploy.processes import fetch, free_port, running
from tests_deploy.usage_past import DAY, READ_AGO, UsagePast, usage_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from exporter.demo.pipelines.model import WorkflowJob

JOB = "circleci-insights-exporter"
STEP, STEPS = 8 * 3600.0, 47
FINE_STEP, FINE_STEPS = 900.0, 26
SEARCH = 1800.0
SEEDS = 20
AT_ONCE = 60.0
# Afterwards the clock almost stands still, so that what runs and waits then can be looked at for long.
SPEED = 0.001
BEFORE = 60 * 86_400.0
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, concurrency: 8}}
defaults:
  interval: {interval}
  stale_after: 1h
  windows: [last-7-days]
  branches: ["*"]
  collectors: [{collectors}]
  runs: {{interval: {interval}, lookback: {lookback}}}
  pipelines: {{interval: {interval}, idle_interval: {interval}}}
  flaky_tests: {{top: 5}}
  tests: {{top: 8}}
  labels: {{team: demo}}
projects: [{projects}]
runners: {{url: "{url}", namespaces: [acme], interval: {interval}}}
"""
COLLECTORS = ["workflows", "jobs", "runs", "flaky_tests", "tests", "project", "job_trend", "workflow_summary"]
# In the last hours these projects have pipelines too, and one in which a job waits at the end.
LIVELY = {BUSY[0], FLAKY[0]}
LAST_SUCCESS = re.compile(
    r'^circleci_exporter_collector_last_success_timestamp_seconds\{collector="(\w+)".*\} (\S+)$', re.MULTILINE
)
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Moment:
    """An exposition, when it would have been scraped, and when it really was; both in Unix seconds."""

    then: float
    at: float
    text: str


@dataclass(frozen=True)
class Rehearsal:
    """A running exporter, and what it would have exposed before now."""

    circle: Circle
    address: str
    usage: UsagePast
    past: list[Moment] = field(default_factory=list)

    def openmetrics(self) -> Iterator[str]:
        """The past as promtool reads it, with the labels that a scrape would have added."""
        # CircleCI's past ends where its clock stopped; the exporter's own goes on until now.
        lag = time.time() - self.past[-1].then
        usage = ""
        for moment in self.past:
            # Counters of usage stay as they are until a day is read, and then rise all at once.
            for name, labels, value in SAMPLE.findall(usage):
                yield f'{name}{{instance="{self.address}",job="{JOB}",{labels}}} {value} {moment.then - AT_ONCE:.0f}\n'
            usage = usage_of(moment.text)
            for name, labels, value in SAMPLE.findall(moment.text):
                own = name.startswith(("circleci_exporter_", "process_"))
                then = moment.then + lag if own else moment.then
                # What the exporter says of its own clock was said in the real present.
                real = own and name.endswith(("_timestamp_seconds", "_start_time_seconds"))
                shown = repr(float(value) - moment.at + then) if real else value
                target = f'instance="{self.address}",job="{JOB}"'
                yield f"{name}{{{target}{',' if labels else ''}{labels}}} {shown} {then:.0f}\n"
        yield "# EOF\n"


def _polled_since(address: str, since: float, awaited: Sequence[str], times: int) -> str:
    """The exposition once each of these collectors had a good poll in as many projects."""
    text = fetch(f"http://{address}/metrics").decode()
    good = [float(at) for collector, at in LAST_SUCCESS.findall(text) if collector in awaited]
    return text if len(good) == times * len(awaited) and min(good) > since else ""


def _trouble(circle: Circle) -> None:
    """Some of what goes wrong, for the exporter's dashboard."""
    for times, chance in ((3, 1.0), (None, 0.05)):
        circle.fail("status", "test-metrics", times=times, chance=chance, code=500)
        circle.fail("status", "flaky-tests", times=times, chance=4 * chance, code=404, body='{"message": "Not found"}')
        circle.fail("close", "summary", times=times, chance=chance)


def _limited(circle: Circle) -> None:
    """A rate limit that answers tell of, and that some run into."""
    circle.limit(rate=1000.0, burst=2000)
    for times, chance in ((3, 1.0), (None, 0.05)):
        circle.fail("throttle", "jobs", times=times, chance=chance, retry_after=0.2)


def _live(made: Rehearsal, until: float, size: tuple[float, int], awaited: Sequence[str], times: int) -> None:
    """Live through so many steps of so long, until a moment: poll, keep what is exposed, push the clock on.

    On some days, read the usage of the days before as well.
    """
    step, steps = size
    clock = made.circle.clock
    for index in range(steps):
        left = (steps - index) * step
        if left % DAY == 0 and left // DAY in READ_AGO and step == STEP:
            zeros = made.usage.read_a_day()
            made.past[-1] = replace(made.past[-1], text=made.past[-1].text + zeros)
        polled = partial(_polled_since, made.address, time.time(), awaited, times)
        text = wait_until(polled, 5 * PATIENCE, 0.1, why="a poll of everything") + made.usage.text
        made.past.append(Moment(until - (steps - index) * step, time.time(), text))
        clock.advance(until - (steps - index - 1) * step - clock.now())


def _waits(job: WorkflowJob, jobs: Sequence[WorkflowJob]) -> bool:
    """Whether a job waits for an executor, and it is known since when: not so behind an approval."""
    approvals = {each.id for each in jobs if each.type == "approval"}
    return job.status == "queued" and not approvals & set(job.dependencies)


def _when_a_job_waits(circle: Circle, latest: float) -> tuple[float, str] | None:
    """A moment, in the last half hour before the latest one, at which a job waits for an executor, and its project."""
    organization = circle.organization
    for project in organization.projects:
        for pipeline in organization.newest_pipelines(project.slug, latest)[:30]:
            for at in range(int(latest), int(latest - SEARCH), -5):
                for workflow in organization.book.workflows(pipeline.id, at):
                    seen = [organization.book.jobs(workflow.id, moment) for moment in (at, at + 5)]
                    if all(any(_waits(job, jobs) for job in jobs) for jobs in seen):
                        return float(at), project.slug
    return None


@contextmanager
def _with_a_job_that_waits(seed: int, begin: float, now: float) -> Iterator[tuple[Circle, float, str]]:
    """A CircleCI from `begin` on, in which a job waits at a moment shortly before now, and the project of that job.

    Its seed is the first one, from the given one on, of which there is such a moment.
    """
    for tried in range(seed, seed + SEEDS):
        # The pace holds from the clock's first moment on: two months before anybody looks.
        with Circle(seed=tried, start=begin - BEFORE, refresh=3600.0, pace=2.0, speed=SPEED) as circle:
            circle.clock.advance(BEFORE)
            if found := _when_a_job_waits(circle, now):
                yield circle, *found
                return
    pytest.fail("no job waits, whatever the seed")


def _configuration(circle: Circle, interval: str, lively: Collection[str] = ()) -> str:
    """The exporter's configuration; it looks at the pipelines of the lively projects."""
    with_pipelines = ", ".join([*COLLECTORS, "pipelines"])
    projects = []
    for project in circle.organization.projects:
        # One with a name of its own, since its slug says nothing.
        name = f', name: "acme/{project.name}"' if project.slug.startswith("circleci/") else ""
        more = f", collectors: [{with_pipelines}]" if project.slug in lively else ""
        projects.append(f'{{slug: "{project.slug}"{name}{more}}}')
    return CONFIGURATION.format(
        url=circle.url,
        interval=interval,
        # A shorter one for pipelines: each of it costs a call.
        lookback="1d" if lively else "20d",
        collectors=", ".join(COLLECTORS),
        projects=", ".join(projects),
    )


@contextmanager
def rehearsal(folder: Path, seed: int = 3) -> Iterator[Rehearsal]:
    """Live through the past until now, then go on in real time."""
    now = time.time()
    recent = now - FINE_STEPS * FINE_STEP - SEARCH
    begin = recent - STEPS * STEP
    with _with_a_job_that_waits(seed, begin, now) as (circle, end, slug):
        address = f"127.0.0.1:{free_port()}"
        configuration = folder / "config.yaml"
        configuration.write_text(_configuration(circle, "1s"), encoding="utf-8")
        command: list[str | Path] = [sys.executable, "-m", "exporter", "run", "--config.file", configuration]
        command += ["--config.watch", "--web.listen-address", address, "--log.level", "warn"]
        environment = {**os.environ, "CIRCLECI_TOKEN": circle.token}
        with (
            running(command, f"http://{address}/-/ready", folder / "exporter.log", environment),
            closing(UsagePast(circle, folder)) as usage,
        ):
            made = Rehearsal(circle, address, usage)
            _live(made, recent, (STEP, STEPS), COLLECTORS, len(circle.organization.projects))
            lively = {*LIVELY, slug}
            _trouble(circle)
            configuration.write_text(_configuration(circle, "1s", lively), encoding="utf-8")
            _live(made, end, (FINE_STEP, FINE_STEPS), ["pipelines"], len(lively))
            _limited(circle)
            configuration.write_text(_configuration(circle, "5s", lively), encoding="utf-8")
            yield made
