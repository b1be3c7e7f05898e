"""When each project is polled: one `date` job a project, added again when its poll ends.

APScheduler's interval jobs skip or shift what overruns, so the times come from pure functions here.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from exporter.errors import InternalError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

    from exporter.polling.kind import Poll
    from exporter.telemetry import Telemetry

FIRST_POLLS_WITHIN = 10.0
FIRST_POLLS_PER_SECOND = 20.0
JITTER = 0.05
EXPIRY_EVERY = 1.0
MAX_THREADS = 200


def pool_size(concurrency: int, rate: float) -> int:
    """How many polls go on at once, for so many requests at once and a second.

    Enough that projects which wait for a dripping server leave some to the others, and so few that each
    has its turn within a minute.
    """
    return max(concurrency, min(MAX_THREADS, 16 + 4 * concurrency, int(60 * rate)))


def first_poll(index: int, total: int, now: float) -> float:
    """When the nth of so many projects is first polled: at once, spread over at most 10 s."""
    return now + index / total * min(FIRST_POLLS_WITHIN, total / FIRST_POLLS_PER_SECOND)


def next_poll(due: float, ended: float, interval: float, chance: float) -> float:
    """When a project is polled next: an interval after it was due, give or take 5 %, never in the past.

    `chance` is between 0 and 1. A poll that overran its interval is followed by the next at once.
    """
    return max(ended, due + interval * (1 + JITTER * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is polled again and again.

    `interval` gives the seconds from one poll to the next, `begin` starts a poll of everything or of
    what is missing; both give None when the job is no longer wanted. `collector` names it in counts.
    """

    name: str
    collector: str
    interval: Callable[[], float | None]
    begin: Callable[[bool], Poll | None]


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Takes it that a job may be gone already: it may begin, or the scheduler stop, while one is removed."""

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job, if it is there."""
        with suppress(JobLookupError):
            super().remove_job(job_id, jobstore)


class Schedule:
    """Runs jobs when they are due, on a bounded number of threads."""

    def __init__(
        self,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        size: int,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Make a scheduler that does not run yet."""
        self._telemetry, self._log, self._wall, self._chance = telemetry, log, wall, chance
        self._scheduler = _Scheduler(
            executors={"default": ThreadPoolExecutor(size), "expiry": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": MAX_THREADS},
            timezone=UTC,
        )
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._wanted_again: set[str] = set()

    @property
    def due(self) -> Mapping[str, float]:
        """When each job is due next, in Unix seconds."""
        return self._due

    def start(self, expire: Callable[[], None]) -> None:
        """Start to run jobs; `expire` is called every second."""
        self._scheduler.add_job(expire, "interval", seconds=EXPIRY_EVERY, id="expiry", executor="expiry")
        self._scheduler.start()

    def stop(self) -> None:
        """Start no further job. Those under way end by the stop event that they wait on."""
        self._scheduler.pause()
        self._scheduler.shutdown(wait=False)

    def add(self, job: Job, due: float) -> None:
        """Poll a job from `due` on, in Unix seconds; one that is known already is only moved."""
        with self._lock:
            self._due[job.name] = due
            if job.name not in self._running:
                self._at(due, self._run, job, due)

    def missing(self, job: Job) -> None:
        """Ask at once for what a job asks and has no answer to, after the poll under way."""
        with self._lock:
            if job.name in self._running:
                self._wanted_again.add(job.name)
            else:
                self._running.add(job.name)
                self._at(self._wall(), self._step, job, None, None)

    def remove(self, name: str) -> None:
        """Poll a job no longer; a poll under way ends by itself."""
        with self._lock:
            self._due.pop(name, None)
            self._wanted_again.discard(name)
            self._scheduler.remove_job(name)

    def _at(self, when: float, function: Callable[..., None], job: Job, *arguments: object) -> None:
        self._scheduler.add_job(
            function,
            "date",
            run_date=datetime.fromtimestamp(when, UTC),
            args=(job, *arguments),
            id=job.name,
            replace_existing=True,
        )

    def _run(self, job: Job, due: float) -> None:
        """Begin the poll that is due."""
        with self._lock:
            if job.name not in self._due:
                return
            self._running.add(job.name)
        self._telemetry.poll_delay.set(max(0.0, self._wall() - due))
        self._step(job, None, due)

    def _step(self, job: Job, task: Poll | None, due: float | None) -> None:
        """Do one step of a poll; what comes after it queues behind every other job that is due."""
        more = False
        try:
            task = task or job.begin(due is None)
            more = task is not None and task.step()
        except Stopped:
            return
        except Exception:  # noqa: BLE001  a defect ends one poll, not the schedule, and is counted
            self._log.exception("a defect ended a poll", job=job.name)
            self._telemetry.failed(job.collector, InternalError.reason)
        with self._lock:
            if more:
                self._at(self._wall(), self._step, job, task, due)
                return
            self._running.discard(job.name)
            self._finish(job, due)

    def _finish(self, job: Job, due: float | None) -> None:
        """Decide when a job comes next; called with the lock held."""
        interval = job.interval()
        if job.name not in self._due or interval is None:
            self._due.pop(job.name, None)
            return
        if due is not None:
            self._due[job.name] = next_poll(due, self._wall(), interval, self._chance())
        if job.name in self._wanted_again:
            self._wanted_again.discard(job.name)
            self._running.add(job.name)
            self._at(self._wall(), self._step, job, None, None)
            return
        self._at(self._due[job.name], self._run, job, self._due[job.name])
