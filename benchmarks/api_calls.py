"""What five typical configurations cost in API calls: measured by polling a synthetic CircleCI for a day of its time.

Each configuration is polled through the exporter's own client and pollers, with a clock that is moved on, and the
calls are counted where they arrive. Some alike projects stand for all of them: a project's calls do not depend
on the others. `python -m benchmarks.api_calls` writes a table in Markdown.
"""

from __future__ import annotations

import heapq
import logging
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter.config import parse
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge.calls import NONE, Calls, calls_per_hour
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from tests.circleci import Circle
from tests.circleci.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config import Project
    from exporter.system.logs import Logger

PROJECTS, WORKFLOWS, JOBS = 100, 5, 4
POLLED = 2
"""Projects that are polled to stand for all."""
HOUR, HOURS = 3600.0, 24
SETTLED_AFTER = 3 * HOUR
"""Seconds until the first round, which asks for everything, is over and what repeats begins."""
NOON = 1_790_078_400.0
"""2026-09-22T12:00:00Z: CircleCI's aggregation comes in the middle of what is measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration: what it is for, and its settings below `defaults`."""

    name: str
    settings: str


CASES = (
    Case("project totals only", "collectors: [project]"),
    Case("defaults: workflows and jobs, default branch", "collectors: [workflows, jobs]"),
    Case(
        "two windows, all branches too",
        "collectors: [workflows, jobs], windows: [last-24-hours, last-7-days], all_branches: true",
    ),
    Case("defaults with each run counted", "collectors: [workflows, jobs, runs]"),
    Case(
        "all collectors but `runs` and `pipelines`",
        "collectors: [workflows, jobs, project, workflow_summary, job_trend, flaky_tests, tests]",
    ),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """API calls an hour of all projects: altogether, by endpoint, and as `check` estimates them."""

    calls: float
    by_endpoint: Mapping[str, float]
    foretold: Calls


def measure(case: Case) -> Cost:
    """Poll for a day of the synthetic CircleCI's time, and count."""
    with Circle(projects=fleet(1, POLLED, WORKFLOWS, JOBS), start=NOON, speed=0) as circle:
        slugs = ", ".join(project.slug for project in circle.organization.projects)
        config = parse(
            f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 10000}}\n"
            f"defaults: {{{case.settings}}}\nprojects: [{slugs}]"
        )
        clocks = Clocks(circle.clock.now)
        engine = Engine(config, _log(), environ={"CIRCLECI_TOKEN": circle.token}, clocks=clocks)
        engine.store.publish(map(Snapshot, config.projects), NOON)
        try:
            for moment, project, collector in _due(config.projects, SETTLED_AFTER + HOURS * HOUR):
                if circle.clock.now() < NOON + SETTLED_AFTER <= NOON + moment:
                    circle.forget_requests()
                circle.clock.advance(NOON + moment - circle.clock.now())
                poll = engine.begin(project.slug, COLLECTORS[collector].poll)
                while poll is not None and poll.step():
                    pass
            failed = [snapshot for snapshot, _ in engine.store.published.values() if not _good(snapshot)]
        finally:
            engine.close()
        assert not failed, failed  # noqa: S101  figures of polls that failed would be wrong
        paths = Counter(_template(request.path) for request in circle.requests)
    scale = PROJECTS / POLLED / HOURS
    foretold = sum((calls_per_hour(project, _found(project)) for project in config.projects), NONE)
    return Cost(
        paths.total() * scale,
        {path: count * scale for path, count in paths.most_common()},
        Calls(*(bound * PROJECTS / POLLED for bound in foretold)),
    )


def _due(projects: tuple[Project, ...], until: float) -> Iterator[tuple[float, Project, str]]:
    """When what is polled, in seconds from the start; as the schedule does it, without its jitter."""
    kinds = [
        (project, collector)
        for project in projects
        for collector in ("workflows", *(["runs"] if "runs" in project.collectors else []))
    ]
    queue = [(0.0, number) for number in range(len(kinds))]
    while queue[0][0] < until:
        moment, number = heapq.heappop(queue)
        project, collector = kinds[number]
        yield moment, project, collector
        heapq.heappush(queue, (moment + project.polled_every(collector), number))


def _found(project: Project) -> dict[tuple[str, str], int]:
    branches = ["main", "all branches"] if project.all_branches else ["main"]
    return {(branch, window): WORKFLOWS for branch in branches for window in project.windows}


def _good(snapshot: Snapshot) -> bool:
    return bool(snapshot.outcomes) and all(outcome.success for outcome in snapshot.outcomes.values())


def _template(path: str) -> str:
    """The path with its names replaced, as far as that tells endpoints apart."""
    parts = path.replace("/gh/fleet/", "/").split("/")
    return "/".join("…" if part.startswith(("project-", "workflow-")) else part for part in parts)


def _log() -> Logger:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logger: Logger = structlog.get_logger()
    return logger


def main() -> None:
    """Write the table, and on standard error where the calls go."""
    print(f"| {PROJECTS} projects of {WORKFLOWS} workflows | settings | API calls an hour | estimate of `check` |")
    print("|---|---|---|---|")
    for case in CASES:
        cost = measure(case)
        foretold = f"{cost.foretold.least:.0f} to {cost.foretold.most:.0f}"
        print(f"| {case.name} | `{case.settings}` | {cost.calls:.0f} | {foretold} |", flush=True)
        for path, calls in cost.by_endpoint.items():
            print(f"{calls:10.1f}  {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
