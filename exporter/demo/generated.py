"""The runs that happen by themselves: a pure function of seed, workflow and day."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.demo.draws import draw
from exporter.demo.model import DemoProject, DemoWorkflow, JobRun, Run

DAY = 86_400
_BUSY_BEFORE = 3_600.0
_SLOW_SINCE = 5.0 * DAY
_WEEKEND = 0.4
_TROUBLES = ("canceled", "canceled", "canceled", "error", "unauthorized")


@dataclass(frozen=True, slots=True)
class Stream:
    """The runs of one workflow. From an hour before `epoch` on there are `pace` times as many."""

    seed: int
    project: DemoProject
    workflow: DemoWorkflow
    epoch: float
    pace: float = 1.0

    @property
    def key(self) -> str:
        """What all chance of this workflow hangs on."""
        return f"{self.seed}|{self.project.slug}|{self.workflow.name}"

    def day(self, day: int) -> tuple[Run, ...]:
        """Return the runs created on that day since the Unix epoch, oldest first, as they stand when all is over."""
        runs = self._spread(day, self._count(day), "usual")
        busy_from = self.epoch - _BUSY_BEFORE
        if self.pace > 1 and (day + 1) * DAY > busy_from:
            extra = int(self.workflow.runs_per_day * (self.pace - 1))
            runs += [run for run in self._spread(day, extra, "busy") if run.created >= busy_from]
            runs.sort(key=lambda run: run.created)
        return tuple(runs)

    def _count(self, day: int) -> int:
        usual = self.workflow.runs_per_day
        if self.workflow.steady:
            return int(usual)
        chance = draw(f"{self.key}|{day}").uniform
        weekend = (day + 3) % 7 > 4  # day 0 was a Thursday
        return int(usual * (_WEEKEND if weekend else 1.0) * (0.7 + 0.6 * chance[0]) + chance[1])

    def _spread(self, day: int, count: int, kind: str) -> list[Run]:
        return [self._run(day, index, count, f"{self.key}|{kind}|{day}|{index}") for index in range(count)]

    def _run(self, day: int, index: int, count: int, key: str) -> Run:
        chance, run_id = draw(key)
        workflow = self.workflow
        created = round(day * DAY + (index + chance[0]) / count * DAY, 3)
        status = _status(workflow, chance[1])
        length = workflow.seconds * (0.75 + 0.5 * chance[2]) * (2.0 if chance[3] > 0.96 else 1.0)
        if created > self.epoch - _SLOW_SINCE:
            length *= workflow.slower
        if status != "success":
            length *= 0.3 + 0.6 * chance[4]
        stopped: float | None = round(created + length + 1.0, 3)
        held = chance[5] < workflow.held
        if held:
            stopped = None if chance[6] < 0.3 else round(created + length + chance[6] * DAY, 3)
        return Run(
            id=run_id,
            branch=self._branch(chance[7], chance[3] * 7919 % 1),
            created=created,
            stopped=stopped,
            status=status,
            duration=int(length) if workflow.measured else None,
            credits=int(length * (1 + len(workflow.jobs)) / 6) if workflow.measured else 0,
            is_approval=held and chance[4] < 0.5,
        )

    def _branch(self, side: float, which: float) -> str:
        others = self.project.branches
        if side < self.workflow.on_default or not others:
            return self.project.default_branch
        return others[int(which * len(others))]


def _status(workflow: DemoWorkflow, chance: float) -> str:
    if chance < workflow.failure:
        return "failed"
    trouble = (chance - workflow.failure) / workflow.troubled if workflow.troubled else 1.0
    return _TROUBLES[int(trouble * len(_TROUBLES))] if trouble < 1.0 else "success"


def job_runs(workflow: DemoWorkflow, run: Run) -> list[JobRun]:
    """Return what the jobs of a run did, in order. A failed run has one failed job and none after it."""
    done = []
    jobs = workflow.jobs
    ending = len(jobs) - 1 if workflow.steady else last_job(run, len(jobs))
    for index, job in enumerate(jobs[: ending + 1]):
        status = run.status if index == ending and run.status != "success" else "success"
        if run.status is None or run.stopped is None or job.approval:
            done.append(JobRun(job, None, run.created, None, None, 0))
            continue
        duration = None if run.duration is None else max(1, int(run.duration * job.share))
        started = round(run.created + index, 3)
        stopped = run.stopped if duration is None else min(run.stopped, started + duration)
        done.append(JobRun(job, status, started, stopped, duration, int(run.credits * job.share)))
    return done


def last_job(run: Run, count: int) -> int:
    """Return the index of the job with which a run ended: the last one unless it went wrong, -1 without jobs."""
    if run.status in ("success", None):
        return count - 1
    return int(draw(run.id).uniform[0] * count)
