"""One project with a great deal under way, its figures held against what CircleCI knows, look by look."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, cast

from exporter.insights.collector import PIPELINES_POLL
from exporter.polling.schedule import Schedule
from exporter.process.fleet import Fleet
from exporter.process.in_progress import in_progress
from tests.running.engine import SLUG
from tests.running.watching import Watching

if TYPE_CHECKING:
    from exporter.polling.kind import Poll
    from exporter.system.logs import Logger

PIPELINES, WORKFLOWS = 150, ("build", "lint", "deploy", "docs")
STATUSES = ("running", "failing", "on_hold", "running", "queued")
GAUGES = ("circleci_workflow_runs_in_progress", "circleci_jobs_in_progress")
SETTINGS = "pipelines: {idle_interval: 15m}"
STEP = 10.0
"""Seconds that one step is taken to last."""


def fill(running: Watching, pipelines: int) -> list[str]:
    """Have pipelines go on, with all workflows each; returns their ids."""
    made = []
    for number in range(pipelines):
        running.pass_time(1)
        workflows = [
            {
                "name": name,
                "status": STATUSES[(number + place) % len(STATUSES)],
                "jobs": [{"name": "a", "status": "running", "started": running.now}, {"name": "b", "status": "queued"}],
            }
            for place, name in enumerate(WORKFLOWS)
        ]
        branch = ("main", "develop", None)[number % 3]
        tag = None if branch else "v1"
        made.append(running.circle.pipelines.add(SLUG, branch, tag=tag, workflows=workflows).id)
    return made


def truth(running: Watching) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """The runs in progress by workflow and status, and the jobs in progress by status."""
    runs, jobs = Counter[tuple[str, str]](), Counter[str]()
    for pipeline in running.circle.pipelines.truth():
        for run in pipeline["workflows"]:
            if run["stopped"] is None:
                runs[run["name"], run["status"]] += 1
                jobs.update(job["status"] for job in run["jobs"])
    return dict(runs), dict(jobs)


def shown(running: Watching) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    runs = {
        (name, status): sum(running.samples(GAUGES[0], workflow=name, status=status).values())
        for name, status in product(WORKFLOWS, sorted({*STATUSES}))
    }
    jobs = {status: running.value(GAUGES[1], status=status) or 0.0 for status in ("running", "queued")}
    return {key: value for key, value in runs.items() if value}, jobs


class Watched:
    """The project's poll step by step, and what is shown beside its figures."""

    def __init__(self, running: Watching) -> None:
        self.running, self.engine = running, running.engine
        clocks = running.engine.clocks
        schedule = Schedule(self.engine.telemetry, cast("Logger", running.log), size=1, clocks=clocks)
        self.fleet = Fleet(self.engine, schedule)

    def delay(self) -> float | None:
        snapshot = self.engine.store.get(SLUG)
        assert snapshot is not None
        self.engine.kinds[PIPELINES_POLL].interval(snapshot)  # as the schedule asks after each step
        self.fleet.count_watched()
        return self.running.value("circleci_exporter_poll_delay_seconds")

    def pending(self) -> int:
        snapshot = self.engine.store.get(SLUG)
        assert snapshot is not None
        view = in_progress([snapshot], "https://circleci.com", self.running.now)
        assert view is not None
        return view.pending

    def begin(self) -> Poll:
        poll = self.engine.begin(SLUG, PIPELINES_POLL)
        assert poll is not None
        return poll


def test_nothing_is_said_of_what_is_in_progress_before_all_of_it_was_looked_at_then_the_truth() -> None:
    with Watching(settings=SETTINGS) as running:
        watched = Watched(running)
        fill(running, PIPELINES)
        began, poll = running.now, watched.begin()
        while poll.step() and watched.pending():
            running.pass_time(STEP)
            assert [running.samples(name) for name in GAUGES] == [{}, {}]
            assert running.samples("circleci_workflow_oldest_run_in_progress_timestamp_seconds") == {}
            assert running.samples("circleci_oldest_waiting_job_timestamp_seconds") == {}
            assert watched.pending() == 1
            assert watched.delay() == running.now - began
        assert running.now > began + PIPELINES * STEP / 10
        runs, jobs = truth(running)
        assert (sum(runs.values()), sum(jobs.values())) == (4 * PIPELINES, 8 * PIPELINES)
        assert shown(running) == (runs, jobs)
        assert watched.pending() == 0
        assert watched.delay() == running.now - began - 84  # those of the first steps wait for their second look
        assert running.value("circleci_exporter_watched_pipelines") == PIPELINES


def test_what_was_never_looked_at_is_looked_at_before_all_that_is_overdue() -> None:
    with Watching(settings=SETTINGS) as running:
        watched = Watched(running)
        fill(running, 40)
        running.look()
        running.pass_time(300)
        new = fill(running, 12)
        running.asked()
        poll, looked = watched.begin(), list[str]()
        while not {*new} <= {*looked} or watched.pending():
            assert poll.step()
            looked += [path.split("/")[2] for path in running.asked() if path.endswith("/workflow")]
            assert (running.samples(GAUGES[1]) != {}) == (watched.pending() == 0)
        assert looked[:12] == new[::-1]
        assert shown(running) == truth(running)
        assert (watched.delay() or 0) > 200


def test_the_delay_ends_with_the_project() -> None:
    with Watching(settings=SETTINGS) as running:
        watched = Watched(running)
        fill(running, 12)
        assert watched.begin().step()
        running.pass_time(STEP)
        assert watched.delay() == STEP
        watched.fleet.settle([running.project.model_copy(update={"collectors": ("workflows",)})])
        assert watched.delay() == 0


def test_what_is_overdue_stays_shown_as_it_was() -> None:
    with Watching(settings=SETTINGS) as running:
        fill(running, 40)
        running.look()
        before = shown(running)
        running.pass_time(300)
        assert Watched(running).begin().step()
        assert shown(running) == before == truth(running)


def test_one_that_is_set_aside_is_counted_and_hides_no_other() -> None:
    with Watching(settings=SETTINGS) as running:
        watched = Watched(running)
        broken, _ = fill(running, 2)
        running.circle.fail("forbidden", f"/pipeline/{broken}/workflow")
        running.look()
        assert running.samples(GAUGES[1]) == {}
        running.looks(12, 300)
        watched.delay()
        assert running.value("circleci_exporter_set_aside_pipelines") == 1
        assert sum(shown(running)[1].values()) == 8
        running.circle.heal()
        running.looks(4, 300)
        watched.delay()
        assert running.value("circleci_exporter_set_aside_pipelines") == 0
        assert shown(running) == truth(running)
