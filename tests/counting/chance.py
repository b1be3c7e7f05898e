"""A pipeline by chance, with all that is run again of it, and how CircleCI shows it at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.counting.watched import uuid
from tests.runs.job_lists import CREATED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.campaigns.pipelines.truth import Facts


class Chance:
    """One pipeline by chance, and how CircleCI shows it at a time."""

    def __init__(self, random: Random) -> None:
        self.random, self.ids = random, iter(range(1, 1000))
        self.facts: Facts = {"slug": "gh/acme/web", "created": CREATED, "id": uuid(900), "source": "vcs", "tag": None}
        self.facts |= {"branch": "main", "state": "created", "trigger": "webhook", "before": ()}
        names = random.sample(["build", "lint", "deploy"], random.randint(1, 3))
        runs = [self.first(name) for name in names]
        if random.random() < 0.2:
            runs.append(self.first("build") | {"setup": True})
        for name in names:
            for _ in range(random.choice((0, 0, 1, 2, 3))):
                runs.append(self.rerun([each for each in runs if each["name"] == name and not each["setup"]]))
        self.facts["workflows"] = runs

    def first(self, name: str, created: float = 0) -> Facts:
        """A run from its start."""
        random, at = self.random, created
        jobs: list[Facts] = []
        for each in random.sample("abcd", random.randint(0, 4)):
            needed = [jobs[-1]["id"]] if jobs else []
            if random.random() < 0.2:
                jobs.append(self.job(each + " ok", needed, None, None, "success") | {"type": "approval"})
                needed, at = [jobs[-1]["id"]], at + random.randint(1, 30)
            for status in ("retried",) * random.choice((0, 0, 0, 1, 2)):
                jobs.append(self.job(each, needed, at, at + random.randint(0, 20), status))
                at = jobs[-1]["stopped"]
            status = random.choice(("success", "success", "success", "failed", "timedout", "canceled", "unknown"))
            jobs.append(self.job(each, needed, at + random.randint(0, 5), at + random.randint(5, 60), status))
            at = jobs[-1]["stopped"]
        return self.run(name, created, at, jobs)

    def run(self, name: str, created: float, stopped: float, jobs: list[Facts]) -> Facts:
        """A run of these jobs."""
        bad = any(each["status"] not in {"success", "retried"} for each in jobs)
        status = self.random.choice(
            ("failed", "failed", "canceled", "error") if bad else ("success", "success", "failed")
        )
        run = {"id": uuid(next(self.ids)), "name": name, "status": status, "created": CREATED + created, "jobs": jobs}
        run |= {"stopped": CREATED + stopped, "dated": True, "setup": False, "auto_rerun_number": None}
        return run | {"shown": None, "credits": 0, "insights": None}

    def job(self, name: str, needed: list[str], start: float | None, stop: float | None, status: str) -> Facts:
        times = [None if each is None else CREATED + each for each in (start, stop)]
        job = {"id": uuid(next(self.ids)), "name": name, "status": status, "type": "build", "ended": None}
        return job | {"started": times[0], "stopped": times[1], "dependencies": needed}

    def rerun(self, before: list[Facts]) -> Facts:
        """Another run of one of those before it, whole or from what failed, at times before that has ended."""
        random, of = self.random, self.random.choice(before)
        created = of["stopped"] - CREATED + random.choice((-20, 1, 5, 100, 5000))
        created = max(created, max(each["created"] for each in before) - CREATED + random.choice((0, 1)))
        again = self.first(of["name"], created)
        if random.random() < 0.5:
            carried = [
                each for each in of["jobs"] if each["stopped"] is not None and each["stopped"] < again["created"]
            ]
            again["jobs"] = [*carried, *again["jobs"]]
        return again | {"auto_rerun_number": random.choice((None, None, 1))}

    def seen(self, at: float) -> Facts:
        """The pipeline at a time."""
        return self.facts | {"workflows": [_at(run, at) for run in self.facts["workflows"] if run["created"] <= at]}


def _at(run: Facts, at: float) -> Facts:
    if run["stopped"] <= at:
        return run
    jobs = []
    for each in run["jobs"]:
        if each["type"] == "approval":
            later = [other["started"] for other in run["jobs"] if each["id"] in other["dependencies"]]
            jobs.append(each if min(later) <= at else each | {"status": "on_hold"})
        elif each["started"] > at:
            jobs.append(each | {"status": "blocked", "started": None, "stopped": None})
        else:
            jobs.append(each if each["stopped"] <= at else each | {"status": "running", "stopped": None})
    jobs = [each for each in jobs if each["status"] != "blocked" or each["name"] not in _tries(jobs)]
    held = any(each["status"] == "on_hold" for each in jobs) and not any(each["status"] == "running" for each in jobs)
    return run | {"status": "on_hold" if held else "running", "stopped": None, "jobs": jobs}


def _tries(jobs: Iterable[Facts]) -> set[str]:
    """The names of jobs of which there is a try already: the next one is listed when it begins."""
    return {each["name"] for each in jobs if each["status"] == "retried"}
