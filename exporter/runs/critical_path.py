"""The critical path of one finished workflow run: which job, running or waiting, took how much of its time. Pure.

The path is walked back from the job that stopped last to the dependency that stopped last, and so on to
the creation of the run; what is before an approval counts as a dependency of what is behind it. So its seconds
add up to the last stop less the creation, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.runs.jobs import Job, blockers, seconds

RUN, WAIT = "run", "wait"
PHASES = (RUN, WAIT)


class Phase(NamedTuple):
    """What a part of the path was spent on: a job by its name, and whether it ran or waited."""

    job_name: str
    phase: str


def critical_path(jobs: Mapping[str, Job], created_at: float) -> dict[Phase, float]:
    """Seconds by job and phase of a run that was created at a Unix time; `jobs` are all of its jobs by id.

    Jobs carried over from an earlier run have no part in it. Without a job that stopped it is empty.
    """
    own = {identifier: job for identifier, job in jobs.items() if not job.carried_over(created_at)}
    spent: dict[Phase, float] = {}
    seen: set[str] = set()
    job = _last(each for each in own.values() if not each.approval)
    until = created_at if job is None else _stop(job, created_at)
    while job is not None and until > created_at:
        seen.add(job.id)
        started = until if job.started_at is None else min(max(job.started_at, created_at), until)
        waiting, before = _blocker(job, own, created_at, seen)
        until_before = created_at if before is None else min(_stop(before, created_at), started)
        _spend(spent, Phase(job.name, RUN), until - started)
        _spend(spent, Phase(waiting, WAIT), started - until_before)
        job, until = before, until_before
    return spent


def _blocker(job: Job, jobs: Mapping[str, Job], created_at: float, seen: set[str]) -> tuple[str, Job | None]:
    """Which name a job's wait goes under, and which job's stop it began with; None: with the run's creation.

    When an approval was granted is not known, so the time since the last job that held this one back is the approval's.
    """
    approvals = [each for each in blockers(job, jobs) if each.approval]
    asked = max(((_asked_at(each, jobs, created_at), each.name) for each in approvals), default=(created_at, job.name))
    return asked[1], _last(each for each in _held_back_by(job, jobs) if each.id not in seen)


def _asked_at(approval: Job, jobs: Mapping[str, Job], created_at: float) -> float:
    last = _last(_held_back_by(approval, jobs))
    return created_at if last is None else _stop(last, created_at)


def _held_back_by(job: Job, jobs: Mapping[str, Job]) -> list[Job]:
    """The jobs that had to end before this one could start, also those before the approvals that it is behind."""
    found: list[Job] = []
    seen, waiting = {job.id}, [job]
    while waiting:
        for before in blockers(waiting.pop(), jobs):
            if not before.approval:
                found.append(before)
            elif before.id not in seen:
                seen.add(before.id)
                waiting.append(before)
    return found


def _last(jobs: Iterable[Job]) -> Job | None:
    """The job that stopped last, of equal ones the last by name."""
    stopped = [(job.stopped_at, job.name, job.id, job) for job in jobs if job.stopped_at is not None]
    return max(stopped, key=lambda each: each[:3])[3] if stopped else None


def _stop(job: Job, created_at: float) -> float:
    return created_at if job.stopped_at is None else max(job.stopped_at, created_at)


def _spend(spent: dict[Phase, float], phase: Phase, length: float) -> None:
    if seconds(length):
        spent[phase] = seconds(spent.get(phase, 0.0) + length)
