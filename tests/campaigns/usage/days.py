"""Days in which known job runs are hidden from CircleCI's pipelines or from its exports, come late or come twice.

What the figures have to say of each day is counted here, from what was hidden.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from tests.circleci.usage import FILE
from tests.running.engine import SLUG
from tests.usage.compared import HOUR, MIDNIGHT, Compared
from tests.usage.making import DAY, file

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.demo.messages import Reply

API, ELSEWHERE = "gh/acme/api", "gh/other/site"
BOTH, MISSED, LACKING = range(3)
Figures = tuple[float | None, ...]


class Days(Compared):
    """Three projects, the last of an organization without exports; what happens to them, a seed decides.

    `kills` counts restarts with what was committed before, `kills_in_reading` those in the middle of an export, `cuts`
    broken readings. `missed` are the ids of job runs that only exports have, by their days.
    """

    slugs = (SLUG, API, ELSEWHERE)
    others = "".join(
        f", {{slug: {slug}, collectors: [pipelines], pipelines: {{idle_interval: 1m}}}}" for slug in (API, ELSEWHERE)
    )

    def __init__(self, path: Path, seed: int, a_day: int) -> None:
        self.random, self.a_day = Random(seed), a_day  # noqa: S311  no secret
        self.kills = self.kills_in_reading = self.cuts = 0
        self.truth: Counter[tuple[int, str, int]] = Counter()
        self.later: Counter[tuple[int, str]] = Counter()
        """How many job runs come late, which are lacking until then."""
        self.missed: dict[int, set[str]] = {}
        self.image: dict[Path, bytes] = {}
        self.state = path
        super().__init__(path)

    def run(self, days: int) -> list[tuple[Figures, Figures]]:
        """Let days pass; returns for each day and project what was shown, and what had to be."""
        self.begin()
        for day in range(days):
            for slug in self.slugs:
                self.plan(day, slug)
        found: list[tuple[Figures, Figures]] = []
        for day in range(days):
            over = MIDNIGHT + (day + 1) * DAY
            self.trouble(over + HOUR * self.random.random())
            self.compare(over - DAY)
            found += [(self.figures(slug), self.truth_of(day, slug)) for slug in self.slugs]
        return found

    def truth_of(self, day: int, slug: str, *, late_too: bool = False) -> Figures:
        """What the figures of a day must be: when it is read, or once what comes late is there."""
        if slug == ELSEWHERE:
            return (None,) * 3
        both, missed, lacking = (self.truth[day, slug, kind] for kind in (BOTH, MISSED, LACKING))
        late = self.later[day, slug] if late_too else 0
        return (both + late, missed, lacking - late)

    def plan(self, day: int, slug: str) -> None:
        """Script one day of a project."""
        for number in range(self.a_day):
            at = MIDNIGHT + day * DAY + (number + self.random.random()) / self.a_day * (DAY - 600) // 1
            jobs = [self.job(at, name) for name in self.random.sample(("test", "lint", "build", "deploy"), 3)]
            kind = self.random.choice(({}, {}, {"tag": "v1"}))
            names = self.random.choice(((), ({"name": "hold", **OPEN, "type": "approval", "ended": at + 9},)))
            ids = self.ran(at, *jobs, *names, slug=slug, **kind)
            for job, ident in zip(jobs, ids, strict=False):
                if job["started"] is not None:
                    self.hide(day, slug, ident)
                elif self.random.random() < 0.5:
                    self.hidden.add(ident)
            if jobs[0]["status"] == "failed" and jobs[0]["started"] is not None:
                self.again(day, slug, at, ids)
        for _ in range(self.random.randrange(4) if slug != ELSEWHERE else 0):
            at = MIDNIGHT + day * DAY + HOUR + self.random.random() * (DAY - 2 * HOUR) // 1
            self.missed.setdefault(day, set()).update(self.unseen(at, slug=slug))
            self.truth[day, slug, MISSED] += 1

    def job(self, at: float, name: str) -> dict[str, Any]:
        chance = self.random.random()
        if chance < 0.1:
            return {"name": name, "status": "canceled", "started": None, "stopped": at + 40}
        if chance < 0.15:
            return {"name": name, **OPEN, "status": "not_run", "ended": at + 40}
        status = self.random.choice(("success", "failed", "canceled", "infrastructure_fail", "timedout"))
        started = at + self.random.randrange(1, 30)
        return {"name": name, "status": status, "started": started, "stopped": started + self.random.randrange(400)}

    def hide(self, day: int, slug: str, ident: str) -> None:
        """Hide a job run from all exports, or from those of the next day, or let it stand there twice, or once."""
        chance = self.random.random()
        if chance < 0.05:
            self.hidden.add(ident)
        elif chance < 0.1:
            self.late[ident] = MIDNIGHT + (day + 1) * DAY + 12 * HOUR
            self.later[day, slug] += 1
        self.truth[day, slug, LACKING if chance < 0.1 else BOTH] += 1

    def again(self, day: int, slug: str, at: float, ids: list[str]) -> None:
        """Run what has failed once more, an hour later at most, with what had succeeded carried over."""
        [run] = [
            run
            for pipeline in self.circle.pipelines.truth(at + 600)
            for run in pipeline["workflows"]
            if ids[0] in {job["id"] for job in run["jobs"]}
        ]
        job = {"id": f"{ids[0][:-4]}{self.random.randrange(0x1000, 0xFFFF):x}", "name": "again", "status": "success"}
        times = {"started": at + 650, "stopped": at + 660}
        if at + 700 < MIDNIGHT + (day + 1) * DAY:
            self.circle.pipelines.rerun(
                run["id"], created=at + 640, status="success", stopped=at + 660, jobs=[{**job, **times}], shown=0.0
            )
            self.hide(day, slug, job["id"])

    def trouble(self, until: float) -> None:
        """Go on until then, through kills and downtimes."""
        while self.now < until:
            self.go_on(min(until, self.now + (2 + 6 * self.random.random()) * HOUR), every=2 * HOUR)
            if self.random.random() < 0.5:
                self.kill(self.left())
            if self.random.random() < 0.3 and self.now + 5 * HOUR < until:
                self.close()
                self.pass_time(5 * HOUR * self.random.random())
                self.open()

    def compare(self, day: float) -> None:
        """Go on until a day is compared, with kills and files that break off meanwhile."""
        if day == MIDNIGHT or self.random.random() < 0.5:
            self.circle.next_answers(FILE, *[_cut] * 3)
        in_reading = day == MIDNIGHT or self.random.random() < 0.5
        self.image = {}
        for _ in range(400):
            if self.day() == day:
                return
            failures = self.failures()
            self.look(60)
            self.export()
            self.cuts += self.failures() > failures
            if in_reading and self.image:
                self.kill(self.image)
                self.kills_in_reading += 1
                in_reading = False
            elif self.random.random() < 0.2:
                self.kill(self.left())
        raise AssertionError(self.organization._progress, self.log.calls[-5:])

    def left(self) -> dict[Path, bytes]:
        """What a kill would leave of the state at this moment."""
        found = self.state.parent.glob(f"{self.state.name}*")
        return {path: path.read_bytes() for path in found if not path.name.endswith("-shm")}

    def kill(self, left: dict[Path, bytes]) -> None:
        """Start again with nothing but what was committed then."""
        self.close()
        for path in self.left():
            path.unlink()
        for path, content in left.items():
            path.write_bytes(content)
        self.open()
        self.kills += 1

    def failures(self) -> float:
        labels = {"collector": "usage", "reason": "truncated"}
        return (
            self.engine.telemetry.registry.get_sample_value("circleci_exporter_collector_failures_total", labels) or 0
        )

    def files(self, start: float, end: float) -> list[bytes]:
        """An export in two files, some rows in both; made when it is looked at, before anything of it is read."""
        self.image = self.left()
        rows = self.rows(start, end)
        self.random.shuffle(rows)
        half = len(rows) // 2
        return [file(rows[:half]), file([*rows[half:], *rows[:9]])] if rows else []


def _cut(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-9])


OPEN: dict[str, Any] = {"status": "success", "started": None, "stopped": None}
