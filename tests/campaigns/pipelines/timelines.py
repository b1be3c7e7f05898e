"""What happens in one workflow run, by chance: a graph of jobs, with times from its creation to its stop.

All times are whole seconds, multiples of a unit but for what a cancellation cuts off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

Job = dict[str, Any]

NAMES = ("checkout", "lint", "unit tests", "build/image", "integration", "package", "deploy")
FATES = ("success",) * 6 + ("failed",) * 3 + ("canceled", "canceled", "unauthorized", "error")
BROKEN = ("failed", "failed", "infrastructure_fail", "timedout", "terminated-unknown")


@dataclass
class Timeline:
    """One run's end: its final status and stop, and its jobs."""

    status: str
    stopped: float
    jobs: list[Job]


class Timelines:
    """Draws timelines; what chance decides follows from the generator alone."""

    def __init__(self, random: Random, unit: int) -> None:
        self.random, self.unit = random, unit

    def draw(self, created: float, begin: float, fate: str | None = None) -> Timeline:
        """A run that is created at one time, and whose jobs may start at another."""
        fate = fate or self.random.choice(FATES)
        if fate == "error":
            return Timeline(fate, created + self.random.choice((0, 1)) * self.unit, [])
        names = [name for name in NAMES if self.random.random() < 0.5] or [NAMES[0]]
        jobs = self.jobs(names, begin)
        if fate == "unauthorized":
            jobs = [job for job in jobs if job["status"] == "success" and "listed" not in job and "type" not in job]
            for job in jobs:
                job |= {"status": "unauthorized", "ended": begin + self.unit}
                job.pop("started", None), job.pop("stopped", None)
            return Timeline(fate, begin + self.unit, jobs)
        if fate == "failed":
            self._break(jobs)
        stopped = max(over(job) for job in jobs) + self.random.choice((0, 0, 1)) * self.unit
        for job in jobs:
            if job["status"] == "not_run":
                job["ended"] = stopped
        if fate == "canceled":
            stopped = self._cancel(jobs, created, stopped)
        return Timeline(fate, stopped, jobs)

    def jobs(self, names: list[str], begin: float) -> list[Job]:
        """Jobs of these names that all succeed, each after some of those before it; some attempts are given up."""
        made: list[Job] = []
        ends: dict[str, float] = {}
        for name in names:
            if made and self.random.random() < 0.12:
                made.append(self._approval(f"approve {name}", ends, begin))
                needed = [made[-1]["name"], *self.random.sample(sorted(ends), 1)]
                ends[made[-1]["name"]] = made[-1]["ended"]
            else:
                needed = self.random.sample(sorted(ends), min(len(ends), self.random.choice((0, 1, 1, 2))))
            ready = max([begin, *(ends[each] for each in needed)])
            job = self._job(name, needed, ready)
            made.append(job)
            if self.random.random() < 0.1:
                job["status"] = "retried"
                again = self._job(name, needed, job["stopped"])
                made.append(again | {"listed": job["stopped"]})
            ends[name] = made[-1]["stopped"]
        return made

    def _job(self, name: str, needed: list[str], ready: float) -> Job:
        started = ready + self.random.choice((0, 0, 1, 1, 2)) * self.unit
        stopped = started + self.random.choice((0, 1, 1, 2, 3, 4)) * self.unit
        return {"name": name, "status": "success", "started": started, "stopped": stopped, "dependencies": needed}

    def _approval(self, name: str, ends: dict[str, float], begin: float) -> Job:
        needed = self.random.sample(sorted(ends), 1)
        asked = max([begin, *(ends[each] for each in needed)])
        ended = asked + self.random.choice((1, 2, 3)) * self.unit
        return {"name": name, "type": "approval", "status": "success", "ended": ended, "dependencies": needed}

    def _break(self, jobs: list[Job]) -> None:
        """One job fails, and what needs it does not run."""
        broken = self.random.choice([job for job in jobs if job["status"] == "success" and "type" not in job])
        broken["status"] = self.random.choice(BROKEN)
        down = {broken["name"]}
        for job in jobs[jobs.index(broken) + 1 :]:
            if down.intersection(job["dependencies"]):
                down.add(job["name"])
                _never_ran(job, "not_run")

    def _cancel(self, jobs: list[Job], created: float, stopped: float) -> float:
        """Cut the run off; jobs under way stop some seconds later, those that wait are over without a time."""
        at = float(self.random.randint(int(created), max(int(stopped) - 1, int(created))))
        for job in list(jobs):
            if job["status"] == "not_run" or over(job) <= at:
                continue
            if job.get("listed", 0) > at:
                jobs.remove(job)
            elif job.get("started", at + 1) <= at:
                job |= {"status": "canceled", "stopped": at + self.random.choice((0, 1, 3, 8))}
            else:
                _never_ran(job, "canceled" if "type" not in job else "not_run")
                job["ended"] = at + self.random.choice((0, 1, 3))
        for job in jobs:
            if job["status"] == "not_run":
                job["ended"] = at
        return at


def over(job: Job) -> float:
    """When a job is over; 0 where it never was under way."""
    return float(job.get("stopped") or job.get("ended") or 0.0)


def _never_ran(job: Job, status: str) -> None:
    job["status"] = status
    for field in ("started", "stopped", "ended"):
        job.pop(field, None)
