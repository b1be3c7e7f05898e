"""The jobs of one workflow run, as `GET /workflow/{id}/job` lists them: which count, how long they waited. Pure.

Times are Unix seconds, durations seconds, both to the microsecond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.insights.payloads import Unreadable, optional_text, text, timestamp
from exporter.runs.entries import Entry, readable
from exporter.runs.pipelines import identifier

RETRIED = "retried"
STATUSES = (
    "success",
    "failed",
    "canceled",
    "unauthorized",
    "infrastructure_fail",
    "timedout",
    "terminated-unknown",
    RETRIED,
)
"""Final statuses of a job that ran, or could have run."""
UNDER_WAY = ("running", "queued", "not_running", "on_hold", "blocked")
WAITING = frozenset({"queued", "not_running"})
"""Statuses of a job that could start, had it an executor."""
NOT_RUN = "not_run"
OTHER = "other"
APPROVAL = "approval"


def seconds(length: float) -> float:
    """A difference or sum of times without the noise of floating point: CircleCI sends at most microseconds."""
    return round(length, 6)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a workflow run. `status` is CircleCI's own word, or nothing where it sent none."""

    id: str
    name: str
    status: str
    approval: bool = False
    started_at: float | None = None
    stopped_at: float | None = None
    dependencies: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it is over. A status that no documentation knows is a final one if the job has stopped."""
        if self.status in STATUSES or self.status == NOT_RUN:
            return True
        return self.status not in UNDER_WAY and self.stopped_at is not None

    @property
    def duration(self) -> float | None:
        """From start to stop; None for a job that never started, whose stop is not known or comes first."""
        if self.started_at is None or self.stopped_at is None or self.stopped_at < self.started_at:
            return None
        return seconds(self.stopped_at - self.started_at)

    def carried_over(self, created_at: float) -> bool:
        """Whether it ran in an earlier workflow run, of which this one, created then, is a re-run."""
        return self.ended and self.stopped_at is not None and self.stopped_at < created_at

    def counts(self, created_at: float) -> bool:
        """Whether it is a job run of the workflow run that was created then, and is over."""
        return self.ended and not self.approval and self.status != NOT_RUN and not self.carried_over(created_at)


def read_jobs(page: object) -> tuple[list[Job], Counter[str]]:
    """The jobs of one page, and the fields that could not be read.

    What has no usable id or name is left out. Raises PayloadError without a list.
    """
    return readable(page, _job)


def ready_at(job: Job, jobs: Mapping[str, Job], created_at: float) -> float:
    """From when on a job could start: the latest stop among its dependencies, not before its workflow's creation."""
    return max([created_at, *(stop for before in blockers(job, jobs) if (stop := before.stopped_at) is not None)])


def wait_of(job: Job, jobs: Mapping[str, Job], created_at: float) -> float | None:
    """How long a job waited for an executor; None where it never started, or an approval came before it.

    When an approval was granted is not known. A start before the job could start is a wait of 0.
    """
    if job.started_at is None or behind_approval(job, jobs):
        return None
    return max(seconds(job.started_at - ready_at(job, jobs, created_at)), 0.0)


def behind_approval(job: Job, jobs: Mapping[str, Job]) -> bool:
    """Whether one of its dependencies is an approval."""
    return any(before.approval for before in blockers(job, jobs))


def blockers(job: Job, jobs: Mapping[str, Job]) -> list[Job]:
    """What had to end before a job could start: its dependencies, and earlier attempts of itself."""
    found = {identifier: jobs[identifier] for identifier in job.dependencies if identifier in jobs}
    found |= {other.id: other for other in jobs.values() if _is_earlier_attempt(other, job)}
    found.pop(job.id, None)
    return list(found.values())


def _is_earlier_attempt(other: Job, job: Job) -> bool:
    """Whether `other` is a try of the same job that was given up before; the last one may still wait, or not start."""
    if other.name != job.name or other.status != RETRIED or other.started_at is None or job.approval:
        return False
    return job.started_at is None or (other.started_at, other.id) < (job.started_at, job.id)


def under_way(jobs: Iterable[Job]) -> dict[str, int]:
    """How many jobs are under way, by the label `status`."""
    counts = Counter(job.status if job.status in UNDER_WAY else OTHER for job in jobs if not job.ended)
    return dict(counts)


def oldest_wait(jobs: Mapping[str, Job], created_at: float) -> tuple[float | None, str]:
    """Since when the job that has waited longest could have started, and its name; None if none waits."""
    return min(
        (
            (ready_at(job, jobs, created_at), job.name)
            for job in jobs.values()
            if job.status in WAITING and not job.approval and not behind_approval(job, jobs)
        ),
        default=(None, ""),
    )


def by_id(jobs: Iterable[Job]) -> dict[str, Job]:
    """Jobs by their ids; of one that is listed twice, the entry that has ended serves."""
    found: dict[str, Job] = {}
    for job in jobs:
        if job.id not in found or not found[job.id].ended:
            found[job.id] = job
    return found


def _job(entry: Entry) -> Job:
    return Job(
        entry.must("id", identifier),
        entry.must("name", text),
        entry.must("status", optional_text),
        entry.may("type", optional_text) == APPROVAL,
        entry.may("started_at", timestamp),
        entry.may("stopped_at", timestamp),
        entry.may("dependencies", _texts) or (),
    )


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Unreadable
    return tuple(text(each).lower() for each in value)
