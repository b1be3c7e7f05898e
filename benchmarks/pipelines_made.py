"""An organization in which pipelines happen on a working-day curve: what `benchmarks.now` lives through."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.demo.model import DemoJob, DemoProject, DemoWorkflow, Owner
from tests.circleci.pipelines import Pipelines

if TYPE_CHECKING:
    from exporter.demo.organization import Organization

START = 1_790_035_200.0  # midnight UTC
DAY, HOUR, MINUTE = 86_400.0, 3600.0, 60.0
DAYS = 2
"""The first is lived through so that the second begins as any other."""
PIPELINES_A_DAY = 1000
BUSY = (0, 0, 0, 0, 0, 0, 1, 3, 7, 10, 10, 9, 7, 9, 10, 10, 9, 7, 4, 2, 1, 1, 0, 0)
"""Pipelines by hour of the day, in parts."""
NAMES = ("build", "deploy")
JOBS = 6
ON_HOLD, RERUN = 0.02, 0.03
"""Shares of pipelines."""


@dataclass(frozen=True, slots=True)
class Span:
    """One workflow run of a project: its pipeline, its creation and its stop, in Unix seconds, and its id."""

    pipeline: str
    created: float
    stopped: float
    slug: str
    workflow: str


def projects(count: int) -> tuple[DemoProject, ...]:
    """Projects of one organization without runs of their own."""
    owner = Owner("gh", "acme", "acme", "0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10")
    steps = tuple(DemoJob(f"job-{number}", 0.5) for number in range(JOBS))
    shared = tuple(DemoWorkflow(name, steps, 1, 480) for name in NAMES)
    ids = (f"7d2f6b84-1c3e-4a55-8f90-{number:012x}" for number in range(count))
    return tuple(
        DemoProject(owner, f"project-{number:05}", f"project-{number:05}", identifier, workflows=shared)
        for number, identifier in enumerate(ids)
    )


class Days:
    """Pipelines of some days, put into an organization; `spans` are their runs."""

    def __init__(
        self, organization: Organization, slugs: list[str], seed: int = 1, a_day: int = PIPELINES_A_DAY
    ) -> None:
        """Make them for these projects."""
        self._chance, self._making = random.Random(seed), Pipelines(organization)  # noqa: S311  the same in each run
        self.spans: list[Span] = []
        for number in range(DAYS * a_day):
            (hour,) = self._chance.choices(range(24), BUSY)
            self._pipeline(
                self._chance.choice(slugs), START + number % DAYS * DAY + (hour + self._chance.random()) * HOUR
            )

    def _pipeline(self, slug: str, created: float) -> None:
        chance = self._chance
        pipeline = self._making.add(slug, created=created)
        hold = chance.uniform(2, 8) * HOUR if chance.random() < ON_HOLD else 0.0
        for name in NAMES:
            self._run(slug, pipeline.id, name, created, hold if name == NAMES[-1] else 0.0)
        if chance.random() < RERUN:
            over = max(span.stopped for span in self.spans[-len(NAMES) :])
            self._run(slug, pipeline.id, NAMES[0], over + chance.uniform(0.05, 6) * HOUR, 0.0)

    def _run(self, slug: str, pipeline: str, name: str, created: float, hold: float) -> None:
        """One run of 2 to 40 minutes, its jobs one after the other; half of them wait behind an approval, if any."""
        chance = self._chance
        length = min(max(chance.lognormvariate(math.log(8 * MINUTE), 0.7), 2 * MINUTE), 40 * MINUTE)
        ends = [*sorted(chance.uniform(5, length) for _ in range(JOBS - 1)), length]
        jobs: list[dict[str, Any]] = []
        at = 3.0
        for number, end in enumerate(ends):
            if hold and number == JOBS // 2:
                jobs.append(_job("hold", jobs, type="approval"))
                at, ends = at + hold, [each + hold for each in ends]
            end = max(ends[number], at + 0.5)  # noqa: PLW2901  what was held ends later
            jobs.append(_job(f"job-{number}", jobs, started=created + at, stopped=created + end))
            at = end + 1
        stopped = float(jobs[-1]["stopped"])
        shown = stopped + chance.uniform(1, 20) * HOUR
        made = self._making.add_workflow(
            pipeline, name, "success", created=created, stopped=stopped, jobs=jobs, shown=shown, credits=10
        )
        self.spans.append(Span(pipeline, created, stopped, slug, made.id))


def _job(name: str, before: list[dict[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ANN401  fields of a job
    needs = [before[-1]["name"]] if before else []
    return {"name": name, "status": "success", "dependencies": needs, **more}


def plain_calls(spans: list[Span], count: int, *, jobs: bool, since: float, until: float) -> float:
    """Calls an hour of a poller that asks each minute for each list, what has not ended, and the jobs of what runs."""
    calls = count * (until - since) / MINUTE
    last = {span.pipeline: 0.0 for span in spans}
    first: dict[str, float] = {}
    for span in spans:
        last[span.pipeline] = max(last[span.pipeline], span.stopped)
        first.setdefault(span.pipeline, span.created)
        if jobs:
            calls += _within(span.created, span.stopped, since, until) / MINUTE
    looks = [_within(first[each], over, since, until) for each, over in last.items()]
    return (calls + sum(looks) / MINUTE) / ((until - since) / HOUR)


def _within(start: float, end: float, since: float, until: float) -> float:
    return max(min(end, until) - max(start, since), 0.0)
