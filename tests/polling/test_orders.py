"""Whatever the order in which answers come, and whatever happens between them: each end counts, and counts once."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from exporter.runs.hints import Hint
from tests.polling.answers import Shuffled
from tests.running.engine import SLUG
from tests.running.watching import Watching

JOBS = ("build", "test")
ENDS = ("success", "success", "failed", "canceled")
UNTIL_LOOKED_AT_AGAIN = (60,) * 8 + (1800,) * 12
"""Seconds after which a pipeline that was over, and in which something runs again, was looked at again."""


class World(Watching):
    """Pipelines that begin, end, run again and are hinted of while answers are on their way."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.moves = chance, 0
        self.under_way: dict[str, set[str]] = {}
        self.ended: list[str] = []
        self.pipelines: list[str] = []
        self.true_runs, self.true_jobs = Counter[str](), Counter[str]()
        self.shown_runs, self.shown_jobs = Counter[str](), Counter[str]()
        self.wrong: list[object] = []
        super().__init__(waits=Shuffled(chance, self.move))

    def move(self) -> None:
        """Let something happen, while there are moves left."""
        if self.moves and self.chance.random() < 0.5:
            self.moves -= 1
            self.chance.choice(
                [self.begins, self.job_ends, self.job_ends, self.ends, self.ends, self.hinted, self.waited]
            )()
            self.look_at_counts()

    def begins(self) -> None:
        if not self.pipelines or self.chance.random() < 0.6:
            self.pipelines.append(self.circle.pipelines.add(SLUG, "main").id)
        jobs = [{"name": name, "status": "running", "started": self.now} for name in JOBS]
        made = self.circle.pipelines.add_workflow(self.chance.choice(self.pipelines), "build", jobs=jobs)
        self.under_way[made.id] = {*JOBS}

    def job_ends(self) -> None:
        if going := [(run, job) for run, jobs in self.under_way.items() for job in sorted(jobs)]:
            self._job_ends(*self.chance.choice(going), "success")

    def _job_ends(self, run: str, job: str, status: str) -> None:
        self.under_way[run].remove(job)
        self.circle.pipelines.change_job(run, job, status=status, stopped=self.now)
        self.true_jobs[status] += 1

    def ends(self) -> None:
        if self.under_way:
            run, status = self.chance.choice(sorted(self.under_way)), self.chance.choice(ENDS)
            for job in sorted(self.under_way[run]):
                self._job_ends(run, job, status)
            del self.under_way[run]
            self.circle.pipelines.change_workflow(run, status=status, stopped=self.now)
            self.true_runs[status] += 1
            self.ended.append(run)

    def hinted(self) -> None:
        if runs := [*self.ended, *self.under_way]:
            run = self.chance.choice(runs)
            self.engine.inbox.accept(Hint(SLUG, run, "", run in self.ended, self.now))

    def waited(self) -> None:
        self.pass_time(self.chance.choice([1, 5, 30, 90]))

    def look_at_counts(self) -> None:
        """Nothing counts before its end, nothing that counted is taken back, and nothing that counted goes on."""
        for name, shown, true in (
            ("circleci_workflow_runs_total", self.shown_runs, self.true_runs),
            ("circleci_job_runs_total", self.shown_jobs, self.true_jobs),
        ):
            now = Counter[str]()
            for head, value in self.samples(name).items():
                now[head.split('status="')[1].split('"')[0]] += int(value)
            if now and not shown <= now <= true:  # nothing is shown while it is stale
                self.wrong.append((name, shown.copy(), now, true.copy()))
            shown.update(now - shown)
        going, begun = sum(self.in_progress().values()), len(self.under_way) + len(self.ended)
        if going + self.shown_runs.total() > begun:
            self.wrong.append(("what was counted goes on", going, self.shown_runs.copy(), begun))


@pytest.mark.parametrize("seed", range(16))
def test_every_end_counts_once_in_whatever_order_answers_and_events_come(seed: int) -> None:
    chance = Random(seed)  # noqa: S311  the same in each run
    with World(chance) as world:
        world.look()
        world.pass_time(1)
        world.moves = 40
        for _ in range(200):
            world.look(chance.choice([5, 60, 90]))
            world.move()
            if not world.moves:
                break
        while world.under_way:
            world.ends()
        for seconds in UNTIL_LOOKED_AT_AGAIN:
            world.look(seconds)
        world.look_at_counts()
        assert not world.wrong
        assert world.shown_runs == world.true_runs
        assert world.shown_jobs == world.true_jobs
        assert world.in_progress() == {}
        world.circle.stop()
