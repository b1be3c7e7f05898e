"""The rows of a Usage export: one per job run, with its credits and how much of its machine it used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exporter.demo.draws import draw, uuid_for
from exporter.demo.generated import DAY
from exporter.demo.pipelines.model import seen_jobs
from exporter.demo.pipelines.timeline import NEVER, jobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.demo.model import DemoProject, DemoWorkflow, Owner, Run
    from exporter.demo.organization import Organization
    from exporter.demo.pipelines.model import WorkflowJob

COLUMNS = (
    "ORGANIZATION_ID",
    "ORGANIZATION_NAME",
    "ORGANIZATION_CREATED_DATE",
    "PROJECT_ID",
    "PROJECT_NAME",
    "PROJECT_CREATED_DATE",
    "LAST_BUILD_FINISHED_AT",
    "VCS_NAME",
    "VCS_URL",
    "VCS_BRANCH",
    "PIPELINE_ID",
    "PIPELINE_CREATED_AT",
    "PIPELINE_NUMBER",
    "IS_UNREGISTERED_USER",
    "PIPELINE_TRIGGER_SOURCE",
    "PIPELINE_TRIGGER_USER_ID",
    "WORKFLOW_ID",
    "WORKFLOW_NAME",
    "WORKFLOW_FIRST_JOB_QUEUED_AT",
    "WORKFLOW_FIRST_JOB_STARTED_AT",
    "WORKFLOW_STOPPED_AT",
    "IS_WORKFLOW_SUCCESSFUL",
    "JOB_NAME",
    "JOB_RUN_NUMBER",
    "JOB_ID",
    "JOB_RUN_DATE",
    "JOB_RUN_QUEUED_AT",
    "JOB_RUN_STARTED_AT",
    "JOB_RUN_STOPPED_AT",
    "JOB_BUILD_STATUS",
    "RESOURCE_CLASS",
    "OPERATING_SYSTEM",
    "EXECUTOR",
    "PARALLELISM",
    "JOB_RUN_SECONDS",
    "MEDIAN_CPU_UTILIZATION_PCT",
    "MAX_CPU_UTILIZATION_PCT",
    "MEDIAN_RAM_UTILIZATION_PCT",
    "MAX_RAM_UTILIZATION_PCT",
    "COMPUTE_CREDITS",
    "DLC_CREDITS",
    "USER_CREDITS",
    "STORAGE_CREDITS",
    "NETWORK_CREDITS",
    "LEASE_CREDITS",
    "LEASE_OVERAGE_CREDITS",
    "IPRANGES_CREDITS",
    "TOTAL_CREDITS",
)
NULL = r"\N"
LATE, LATER = 0.03, 6 * 3600.0
"""The share of rows that come hours after the others of their day, and how many seconds after its end."""
SAMPLED_EVERY = 15.0
"""Seconds between two samples of CPU and memory: a shorter run has none."""
CLASSES = (("small", 5), ("medium", 10), ("medium+", 15), ("large", 20), ("xlarge", 40))
"""Resource classes of Docker, with credits per minute."""
_MAC, _MAC_RATE = "m4pro.medium", 200
_PROVIDERS = {"gh": "GitHub", "bb": "Bitbucket", "circleci": "CircleCI"}
_HOSTS = {"gh": "https://github.com", "bb": "https://bitbucket.org", "circleci": "https://app.circleci.com"}


def usage_rows(organization: Organization, owner: Owner, start: float, end: float, at: float) -> list[tuple[str, ...]]:
    """Return the rows of the job runs that touch `start` to `end`, as they stood `at` a time, in `COLUMNS`' order."""
    rows: list[tuple[str, ...]] = []
    for project in organization.projects:
        if project.owner != owner:
            continue
        for workflow in organization.workflows(project.slug):
            for run in organization.created_runs(project.slug, workflow.name, start - DAY, end):
                for each in _job_runs(JobsRun(project, workflow, run), at):
                    first, *_, last = each.touched
                    if first < end and last >= start and each.listed_at <= at:
                        rows.append(_row(each))
    return rows


@dataclass(frozen=True, slots=True)
class JobsRun:
    """A workflow run whose jobs are told of."""

    project: DemoProject
    workflow: DemoWorkflow
    run: Run


@dataclass(frozen=True, slots=True)
class Told:
    """A job run as it stood when the export was made, since when it was queued, and its place in its workflow run."""

    of: JobsRun
    job: WorkflowJob
    queued: float
    number: int

    @property
    def touched(self) -> tuple[float, ...]:
        return tuple(
            sorted([self.queued, self.queued, self.job.started or self.queued, self.job.stopped or self.queued])
        )

    @property
    def listed_at(self) -> float:
        """When exports have the row: once its day is over, and of some rows hours later."""
        day_over = (self.queued // DAY + 1) * DAY
        return day_over + (LATER if draw(f"{self.job.id}|late").uniform[0] < LATE else 0.0)


def _job_runs(of: JobsRun, at: float) -> Iterator[Told]:
    made = jobs_of(of.workflow, of.run, 0)
    stops = {job.id: job.over or of.run.created for job in made}
    for number, job in enumerate(seen_jobs(made, at)):
        if job.type == "build" and job.status not in ("not_run", "blocked"):
            queued = max([of.run.created, *(stops[each] for each in job.dependencies if each in stops)])
            yield Told(of, job, queued, number)


def _row(told: Told) -> tuple[str, ...]:
    project, workflow, run = told.of.project, told.of.workflow, told.of.run
    job, queued = told.job, told.queued
    seconds = 0.0 if job.started is None or job.stopped is None else job.stopped - job.started
    name, rate, executor = _class_of(project, workflow, job.name)
    cpu, memory = _use(project, workflow, job, seconds)
    compute = round(seconds / 60 * rate)
    dlc = 200 if "image" in job.name and seconds else 0
    network = round(draw(f"{job.id}|network").uniform[0] * 3) if seconds else 0
    user = 25_000 if draw(f"{job.id}|user").uniform[0] < 0.001 else 0  # a seat, now and then
    total = compute + dlc + user + network
    owner, stopped = project.owner, None if run.stopped is None or run.stopped >= NEVER else run.stopped
    values: dict[str, object] = {
        "ORGANIZATION_ID": owner.id,
        "ORGANIZATION_NAME": owner.name,
        "ORGANIZATION_CREATED_DATE": "2019-03-04",
        "PROJECT_ID": project.id,
        "PROJECT_NAME": project.name,
        "PROJECT_CREATED_DATE": "2020-01-02",
        "LAST_BUILD_FINISHED_AT": _time(stopped),
        "VCS_NAME": _PROVIDERS[owner.vcs],
        "VCS_URL": f"{_HOSTS[owner.vcs]}/{owner.name}/{project.name}",
        "VCS_BRANCH": run.branch,
        "PIPELINE_ID": uuid_for(f"{run.id}|pipeline"),
        "PIPELINE_CREATED_AT": _time(run.created),
        "PIPELINE_NUMBER": 1 + int(run.created) % 100_000,
        "IS_UNREGISTERED_USER": False,
        "PIPELINE_TRIGGER_SOURCE": "webhook",
        "PIPELINE_TRIGGER_USER_ID": uuid_for("octo"),
        "WORKFLOW_ID": run.id,
        "WORKFLOW_NAME": workflow.name,
        "WORKFLOW_FIRST_JOB_QUEUED_AT": _time(run.created),
        "WORKFLOW_FIRST_JOB_STARTED_AT": _time(run.created),
        "WORKFLOW_STOPPED_AT": _time(stopped),
        "IS_WORKFLOW_SUCCESSFUL": None if run.status is None else run.status == "success",
        "JOB_NAME": job.name,
        "JOB_RUN_NUMBER": told.number + 1,
        "JOB_ID": job.id,
        "JOB_RUN_DATE": f"{datetime.fromtimestamp(queued, UTC):%Y-%m-%d}",
        "JOB_RUN_QUEUED_AT": _time(queued),
        "JOB_RUN_STARTED_AT": _time(job.started),
        "JOB_RUN_STOPPED_AT": _time(job.stopped),
        "JOB_BUILD_STATUS": job.status,
        "RESOURCE_CLASS": name,
        "OPERATING_SYSTEM": "macOS" if executor == "Mac" else "Linux",
        "EXECUTOR": executor,
        "PARALLELISM": 1,
        "JOB_RUN_SECONDS": round(seconds),
        "MEDIAN_CPU_UTILIZATION_PCT": cpu and cpu[0],
        "MAX_CPU_UTILIZATION_PCT": cpu and cpu[1],
        "MEDIAN_RAM_UTILIZATION_PCT": memory and memory[0],
        "MAX_RAM_UTILIZATION_PCT": memory and memory[1],
        "COMPUTE_CREDITS": compute,
        "DLC_CREDITS": dlc,
        "USER_CREDITS": user,
        "STORAGE_CREDITS": 0,
        "NETWORK_CREDITS": network,
        "LEASE_CREDITS": 0,
        "LEASE_OVERAGE_CREDITS": 0,
        "IPRANGES_CREDITS": 0,
        "TOTAL_CREDITS": total,
    }
    return tuple(_text(values[column]) for column in COLUMNS)


def _class_of(project: DemoProject, workflow: DemoWorkflow, job: str) -> tuple[str, int, str]:
    """The resource class of a job, its credits per minute, its executor."""
    if "ios" in job or "testflight" in job:
        return _MAC, _MAC_RATE, "Mac"
    chance = draw(f"{project.slug}|{workflow.name}|{job}|class").uniform[0]
    name, rate = CLASSES[int(chance * len(CLASSES))]
    return name, rate, "Docker"


def _use(
    project: DemoProject, workflow: DemoWorkflow, job: WorkflowJob, seconds: float
) -> tuple[tuple[float, float], tuple[float, float]] | tuple[None, None]:
    """Median and maximum of CPU and of memory in percent: every job has a level, every run differs a little."""
    if seconds < SAMPLED_EVERY:
        return None, None
    level, own = draw(f"{project.slug}|{workflow.name}|{job.name}|use").uniform, draw(f"{job.id}|use").uniform
    pairs = []
    for kind in (0, 1):
        median = 6 + 80 * level[kind] * (0.85 + 0.3 * own[kind])
        pairs.append((round(min(median, 99.0), 1), round(min(100.0, median * (1.2 + 0.6 * own[kind + 2])), 1)))
    return pairs[0], pairs[1]


def _time(at: float | None) -> str | None:
    """A time as the export writes it: milliseconds, UTC, no zone."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(round(at * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"


def _text(value: object) -> str:
    return NULL if value is None else str(value)


def csv_lines(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Write the header and the rows; every field stands in quotes, also one that is null."""
    for row in (COLUMNS, *rows):
        yield ",".join(map(_quoted, row)) + "\n"


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
