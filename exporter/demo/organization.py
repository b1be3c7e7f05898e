"""The organization: what it consists of, what ran, and the truth that tests compare with."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from exporter.demo.aggregates import Metrics, job_metrics, workflow_metrics
from exporter.demo.catalog import builtin
from exporter.demo.clock import Clock
from exporter.demo.draws import uuid_for
from exporter.demo.generated import DAY, Stream, job_runs
from exporter.demo.ledger import Ledger, Place, Tally, tallies
from exporter.demo.model import DemoProject, DemoWorkflow, JobRun, Run
from exporter.demo.pipelines.book import PipelineBook
from exporter.demo.pipelines.stream import PipelineStream
from exporter.demo.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.demo.pipelines.model import DemoPipeline

ALL_BRANCHES = "all branches"
DEFAULT_WINDOW = "last-90-days"
WINDOWS = {
    "last-24-hours": DAY,
    "last-7-days": 7 * DAY,
    "last-30-days": 30 * DAY,
    "last-60-days": 60 * DAY,
    DEFAULT_WINDOW: 90 * DAY,
}
RETENTION = 90 * DAY
_CACHED_DAYS = 16_384


class Organization:
    """Projects and their runs at any time. `quiet` has no runs but those that are added."""

    def __init__(
        self,
        projects: tuple[DemoProject, ...] | None = None,
        *,
        seed: int = 1,
        clock: Clock | None = None,
        refresh: float = DAY,
        pace: float = 1.0,
        quiet: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Aggregate at every multiple of `refresh` seconds; from now on, let runs come `pace` times as often.

        Insights lists single runs as they stood `delay` seconds ago.
        """
        self.clock = clock or Clock()
        self.seed = seed
        self.refresh = refresh
        self.delay = delay
        self.ledger = Ledger()
        self.book = PipelineBook()
        self.webhooks: dict[str, list[dict[str, object]]] = {}
        """The webhooks of a project, by its UUID, as they are listed."""
        self.roster = Roster(builtin(seed) if projects is None else projects)
        self._quiet = quiet
        self._pace = pace
        self._epoch = self.clock.now()
        self._day = lru_cache(maxsize=_CACHED_DAYS)(self._uncached_day)
        self._pipelines = PipelineStream(self.book, self._ran, epoch=self._epoch, pace=pace)

    @property
    def projects(self) -> tuple[DemoProject, ...]:
        return self.roster.projects()

    @property
    def version(self) -> int:
        """Changes with whatever is changed from outside."""
        return self.ledger.version + self.roster.version + self.book.version

    def aggregated_at(self, period: float | None = None) -> float:
        """Return the time up to which aggregates know of runs."""
        every = period or self.refresh
        return self.clock.now() // every * every

    # ---- what ran

    def workflows(self, slug: str) -> tuple[DemoWorkflow, ...]:
        """Return the workflows of a project, those that exist only by added runs last."""
        shown = [place.workflow for place in self.book.places() if place.slug == slug]
        return self.roster.workflows(slug, dict.fromkeys((*self.ledger.workflows(slug), *shown)))

    def workflow(self, slug: str, name: str) -> DemoWorkflow | None:
        return next((each for each in self.workflows(slug) if each.name == name), None)

    def branches(self, slug: str, workflow: str | None = None) -> list[str]:
        """Return the branches that ran within the retention, the default branch first."""
        at = self.aggregated_at()
        names = [workflow] if workflow else [each.name for each in self.workflows(slug)]
        seen = {run.branch for name in names for run in self.runs(slug, name, ALL_BRANCHES, at - RETENTION, at)}
        default = self._project(slug).default_branch
        return sorted(seen, key=lambda branch: (branch != default, branch))

    def runs(self, slug: str, workflow: str, branch: str | None, start: float, at: float) -> list[Run]:
        """Return runs created from `start` to `at`, as seen then, oldest first. None is the default branch."""
        wanted = self._project(slug).default_branch if branch is None else branch
        return [
            run.seen(at)
            for run in self._all_runs(slug, workflow, start, at)
            if start <= run.created <= at and run.shown <= at and wanted in (ALL_BRANCHES, run.branch)
            if self.roster.shows(slug, workflow, run.branch)
        ]

    def created_runs(self, slug: str, workflow: str, start: float, end: float) -> list[Run]:
        """Return the runs of all branches created within a time, oldest first, as they stand when all is over."""
        return [run for run in self._all_runs(slug, workflow, start, end) if start <= run.created < end]

    def window_runs(self, slug: str, workflow: str, branch: str | None, window: str, at: float) -> list[Run]:
        """Return the runs that an aggregate over a reporting window is made of."""
        return self.runs(slug, workflow, branch, at - WINDOWS[window], at)

    def jobs(self, slug: str, workflow: str, branch: str | None, window: str, at: float) -> dict[str, list[JobRun]]:
        """Return the job runs in a window by the job's name, in the workflow's order."""
        found = self.workflow(slug, workflow)
        if found is None:
            return {}
        by_name: dict[str, list[JobRun]] = {job.name: [] for job in found.jobs}
        for run in self.window_runs(slug, workflow, branch, window, at):
            for each in job_runs(found, run):
                by_name[each.job.name].append(each)
        return {name: runs for name, runs in by_name.items() if runs}

    def newest_pipelines(self, key: str, at: float) -> list[DemoPipeline]:
        """Return the pipelines of a project or of an organization that were created by then, newest first."""
        if not self._quiet:
            for project in self.projects:
                if key in (project.slug, project.owner.slug):
                    self._pipelines.fill(project, at)
        return self.book.newest(key, at)

    # ---- the truth

    def workflow_metrics(
        self, slug: str, workflow: str, branch: str | None, window: str, *, at: float | None = None
    ) -> Metrics | None:
        """Return the `metrics` that the API sends for a workflow, or None when nothing ran. Now, without `at`."""
        found = self.workflow(slug, workflow)
        runs = self.window_runs(slug, workflow, branch, window, self.aggregated_at() if at is None else at)
        return workflow_metrics(runs, WINDOWS[window], measured=found.measured) if found and runs else None

    def job_metrics(
        self, slug: str, workflow: str, job: str, branch: str | None, window: str, *, at: float | None = None
    ) -> Metrics | None:
        """Return the `metrics` that the API sends for a job, or None when it did not run."""
        runs = self.jobs(slug, workflow, branch, window, self.aggregated_at() if at is None else at).get(job)
        return job_metrics(runs, WINDOWS[window]) if runs else None

    def truth(self, at: float | None = None, *, generated: bool = False) -> list[Tally]:
        """Counters over every run that has finished: the added ones, with `generated` all within the retention."""
        now = self.clock.now() if at is None else at
        runs = self._every_run(now) if generated else self._driven_runs()
        return tallies((place, run.seen(now)) for place, run in runs if run.seen(now).status is not None)

    # ---- runs driven from outside

    def add_run(
        self,
        slug: str,
        workflow: str,
        branch: str = "main",
        status: str | None = "success",
        *,
        created: float | None = None,
        stopped: float | None = None,
        duration: int | None = 60,
        credits: int = 10,  # noqa: A002  CircleCI's word
        is_approval: bool = False,
        shown: float = 0.0,
        run_id: str | None = None,
    ) -> Run:
        """Let a run happen, in a workflow that need not exist yet. Without times it was created, and ended, just now.

        A status without an end in the past: a `stopped` to come makes the run finish by itself then.
        """
        self._project(slug)
        now = self.clock.now()
        begun = (now if stopped is None else min(now, stopped)) if created is None else created
        ended = now if stopped is None and status is not None else stopped
        ident = run_id or uuid_for(f"{self.seed}|added|{slug}|{workflow}|{self.ledger.version}")
        run = Run(ident, branch, begun, ended, status, duration, credits, is_approval, shown)
        self.ledger.add(Place(slug, workflow), run)
        return run

    def finish_run(
        self,
        run_id: str,
        status: str = "success",
        *,
        stopped: float | None = None,
        duration: int | None = 60,
        credits: int = 10,  # noqa: A002  CircleCI's word
    ) -> Run:
        """End an added run, now unless said otherwise."""
        ended = self.clock.now() if stopped is None else stopped
        return self.ledger.change(run_id, status=status, stopped=ended, duration=duration, credits=credits)

    # ---- inside

    def _project(self, slug: str) -> DemoProject:
        project = self.roster.find(slug)
        if project is None:
            raise KeyError(slug)
        return project

    def _all_runs(self, slug: str, workflow: str, start: float, at: float) -> list[Run]:
        runs: list[Run] = []
        if not self._quiet:
            default = self._project(slug).default_branch
            for day in range(int(start // DAY), int(at // DAY) + 1):
                runs += self._day(slug, default, workflow, day)
        place = Place(slug, workflow)
        driven = [run for run in self.ledger.runs(place) if start <= run.created] + self.book.runs(place, start)
        return sorted([*runs, *driven], key=lambda run: run.created) if driven else runs

    def _ran(self, project: DemoProject, day: int) -> list[tuple[DemoWorkflow, Run]]:
        return [
            (each, run)
            for each in project.workflows
            for run in self._day(project.slug, project.default_branch, each.name, day)
        ]

    def _uncached_day(self, slug: str, _default: str, workflow: str, day: int) -> tuple[Run, ...]:
        project = self._project(slug)
        found = next((each for each in project.workflows if each.name == workflow), None)
        if found is None:
            return ()
        return Stream(self.seed, project, found, self._epoch, self._pace).day(day)

    def _driven_runs(self) -> Iterator[tuple[Place, Run]]:
        for source in (self.ledger, self.book):
            for place in source.places():
                for run in source.runs(place):
                    yield place, run

    def _every_run(self, now: float) -> Iterator[tuple[Place, Run]]:
        for project in self.projects:
            for workflow in self.workflows(project.slug):
                place = Place(project.slug, workflow.name)
                for run in self.runs(project.slug, workflow.name, ALL_BRANCHES, now - RETENTION, now):
                    yield place, run
