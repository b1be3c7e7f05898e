"""A project whose pipelines are watched and whose organization's exports are read: one engine, clocks of the test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from exporter.formats.deflate import inflate
from exporter.usage import UsageExports
from tests.campaigns.usage.world import written
from tests.circleci import Circle
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching
from tests.usage.making import DAY, NULL, file, row
from tests.usage.reading import values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.usage.making import Row

MIDNIGHT = NOON // DAY * DAY + DAY
"""The start of the first whole day."""
HOUR = 3600.0
COMPARED, COMPARED_DAY = "circleci_exporter_reconciled_job_runs", "circleci_exporter_reconciled_day_timestamp_seconds"


class Compared(Watching):
    """`hidden` and `late` are jobs by their ids: those that no export has, and from when on others are in exports.

    `more` are further rows, `named` is how rows name a project, by its slug, where it has another name there.
    """

    slugs: tuple[str, ...] = (SLUG,)
    further = "usage: {organizations: [gh/acme], interval: 1h}\n"

    def __init__(self, path: Path, settings: str = "") -> None:
        circle = Circle(start=NOON, speed=0, quiet=True, refresh=1)
        circle.usage.contents = self.files
        self.ids = {slug: circle.organization.roster.add(slug).id for slug in self.slugs}
        self.hidden: set[str] = set()
        self.late: dict[str, float] = {}
        self.more: list[Row] = []
        self.named: dict[str, str] = {}
        super().__init__(path, settings, circle=circle)

    def open(self) -> None:
        """Start the program, as a restart does; only a test takes the steps of the source."""
        super().open()
        (self.source,) = (each for each in self.term._sources if isinstance(each, UsageExports))
        (self.organization,) = self.source._organizations.values()

    def go_on(self, until: float, every: float = HOUR) -> None:
        """Look at pipelines, and take the steps of the exports, until then."""
        while self.now < until:
            self.look(min(every, until - self.now))
            self.export()

    def export(self, steps: int = 1) -> None:
        """Take steps of the exports alone."""
        for _ in range(steps):
            self.organization.step()

    def read(self) -> None:
        """Let the days that are over be read, and the newest compared."""
        for _ in range(10):
            self.look(60)
            self.export()

    def ran(self, at: float, *jobs: dict[str, Any], slug: str = SLUG, **more: Any) -> list[str]:
        """Have a pipeline with one workflow run some jobs, or one of a minute; returns their ids."""
        given = [
            {"name": "test", "status": "success", "started": at + 10, "stopped": at + 70, **each}
            for each in jobs or [{}]
        ]
        over = max(each["stopped"] or each["ended"] for each in given)
        pipeline = self.circle.pipelines.add(slug, created=at, **more)
        run = self.circle.pipelines.add_workflow(
            pipeline.id, "build", "success", created=at, stopped=over, jobs=given, shown=over + HOUR
        )
        return [job.id for job in self.circle.organization.book.given_jobs(run.id)]

    def files(self, start: float, end: float) -> list[bytes]:
        """What an export of some days is made of now."""
        return [file(self.rows(start, end))]

    def rows(self, start: float, end: float) -> list[Row]:
        """What an export of some days has now."""
        found = [each for each in self.rows_of(start, end) if self.late.get(each["JOB_ID"], 0.0) <= self.now]
        found = [each for each in found if each["JOB_ID"] not in self.hidden]
        return [*found, *(each for each in self.more if start <= seconds(each["JOB_RUN_STOPPED_AT"]) < end)]

    def rows_of(self, start: float, end: float) -> list[Row]:
        """What an export that is complete has of what ends in some days."""
        found = []
        for pipeline in self.circle.pipelines.truth(end):
            if not pipeline["slug"].startswith("gh/acme/"):
                continue
            for run in pipeline["workflows"]:
                began = min((job["started"] for job in run["jobs"] if job["started"]), default=run["created"])
                found += [
                    self.row(job, run["name"], pipeline["created"], began, pipeline["slug"])
                    for job in run["jobs"]
                    if job["type"] != "approval" and job["stopped"] is not None and start <= job["stopped"] < end
                ]
        return found

    def row(self, job: dict[str, Any], workflow: str, created: float, began: float, slug: str = SLUG) -> Row:
        at = job["started"] or job["stopped"]
        return row(
            JOB_ID=job["id"],
            PROJECT_ID=self.ids[slug],
            PROJECT_NAME=self.named.get(slug, slug.split("/")[2]),
            WORKFLOW_NAME=workflow,
            JOB_NAME=job["name"],
            JOB_BUILD_STATUS=job["status"],
            JOB_RUN_DATE=written(at)[:10],
            JOB_RUN_QUEUED_AT=written(at - 5),
            JOB_RUN_STARTED_AT=NULL if job["started"] is None else written(job["started"]),
            JOB_RUN_STOPPED_AT=written(job["stopped"] + 0.9),
            PIPELINE_CREATED_AT=written(created),
            WORKFLOW_FIRST_JOB_QUEUED_AT=written(began),
        )

    def unseen(self, at: float, count: int = 1, slug: str = SLUG, **columns: str) -> list[str]:
        """Have the exports tell of job runs that CircleCI's API of pipelines never shows; returns their ids."""
        first = 7_000_000 + len(self.more)
        jobs = [
            {"id": row(number)["JOB_ID"], "name": "test", "status": "success", "started": at - 60, "stopped": at}
            for number in range(first, first + count)
        ]
        self.more += [self.row(job, "build", at - 70, at - 65, slug) | columns for job in jobs]
        return [str(job["id"]) for job in jobs]

    def shown(self) -> dict[str, float]:
        """What a scrape has of the exports."""
        return values(inflate(self.source.shown.text.deflated).decode())

    def figures(self, project: str = SLUG) -> tuple[float | None, ...]:
        """In both, only in the export, only here; None each where nothing was compared."""
        shown = self.shown()
        results = "both", "export_only", "here_only"
        return tuple(shown.get(f'{COMPARED}{{project="{project}",result="{result}"}}') for result in results)

    def day(self) -> float | None:
        """The start of the day that was compared."""
        return self.shown().get(f'{COMPARED_DAY}{{organization="gh/acme"}}')


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
