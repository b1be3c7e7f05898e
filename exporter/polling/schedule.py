"""When each project is polled: one job a project and kind of poll, due again when its poll ends.

The agenda says what is due, APScheduler waits for it and has the threads. Time passes by the monotonic clock, so a
step of the wall clock neither delays a poll nor hurries one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from exporter.errors import InternalError, Stopped
from exporter.insights.collectors import LISTING
from exporter.polling.agenda import Agenda, Job, Turn
from exporter.polling.attempt import SYSTEM_CLOCKS, Clocks
from exporter.polling.steady_time import SteadyTime
from exporter.system.logs import Logger
from exporter.telemetry import Telemetry

FIRST_POLLS_WITHIN = 10.0
FIRST_POLLS_PER_SECOND = 20.0
EXPIRY_EVERY = 1.0
MAX_THREADS = 200
DEFECT_PAUSE = 60.0
CLOCK, EXPIRY, HURRIED = "clock", "expiry", "hurried"
"""Threads that no poll can keep busy, and those of polls that do not queue behind all that are due."""
HURRIED_THREADS = 4


def pool_size(concurrency: int, rate: float) -> int:
    """How many polls run at once, for a number of requests in flight and a rate in requests per second.

    Enough that projects with slow answers leave threads to the others; so few that each request has its turn
    within a minute, if the rate allows that.
    """
    return max(concurrency, min(MAX_THREADS, 16 + 4 * concurrency, int(60 * rate)))


def first_poll(index: int, total: int, now: float) -> float:
    """When the nth of so many projects is first polled: at once, spread over at most 10 s."""
    return now + index / total * min(FIRST_POLLS_WITHIN, total / FIRST_POLLS_PER_SECOND)


class _Threads(BasePoolExecutor):  # type: ignore[misc]
    """Runs jobs on given threads."""

    def __init__(self, pool: Executor) -> None:
        super().__init__(pool)


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Accepts that a job is gone already: the scheduler may stop while it hands one to its thread."""

    def __init__(self, event: threading.Event, **options: object) -> None:
        """`event` is what it waits on for the time to come."""
        super().__init__(**options)
        self._event = event

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        with suppress(JobLookupError):
            super().remove_job(job_id, jobstore)


class Schedule:
    """Runs jobs when they are due, on a bounded number of threads."""

    def __init__(
        self,
        telemetry: Telemetry,
        log: Logger,
        *,
        size: int,
        clocks: Clocks = SYSTEM_CLOCKS,
        chance: Callable[[], float] = random.random,
        late: Callable[[float], None] | None = None,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make a scheduler that does not run yet; `late` gets how late polls are, by default for all to see.

        While CircleCI cannot be asked, polls are `held`: each asks in vain once, and is due until it is released.
        """
        self._telemetry, self._log, self._clocks, self._chance = telemetry, log, clocks, chance
        self._late, self._held = late or telemetry.poll_late, held
        self._newest_late = 0.0
        self._agenda, self._changed = Agenda(), threading.Lock()
        self._hurried: set[str] = set()
        self._stopped = threading.Event()
        self._wakes_at: float | None = None
        self._time = SteadyTime(clocks.monotonic)
        sizes = {"default": size, CLOCK: 1, EXPIRY: 1, HURRIED: HURRIED_THREADS}
        self._scheduler = _Scheduler(
            clocks.waiter.event(),
            timezone=self._time,
            executors={name: _Threads(clocks.waiter.threads(most)) for name, most in sizes.items()},
            job_defaults={"misfire_grace_time": None, "max_instances": MAX_THREADS},
        )

    @property
    def due(self) -> Mapping[str, float]:
        """When each job is due next, in Unix seconds as the clock stands now."""
        with self._changed:
            ahead = self._clocks.wall() - self._clocks.monotonic()
            return {name: due + ahead for name, due in self._agenda.due().items()}

    def start(self, expire: Callable[[], None]) -> None:
        """Start to run jobs; `expire` is called every second."""
        self._scheduler.start()
        self._wait_for_expiry(expire)
        with self._changed:
            self._wait_for_what_is_due()

    def stop(self) -> None:
        """Start no further poll. Those under way end with the stop event that they wait on."""
        self._stopped.set()
        if self._scheduler.running:  # a stop may come before the start
            self._scheduler.pause()
            self._scheduler.shutdown(wait=False)

    def add(self, job: Job, due: float) -> None:
        """Poll a job from `due` on, in Unix seconds; one that is known already is only moved."""
        with self._changed:
            self._agenda.add(job, self._clocks.monotonic() + due - self._clocks.wall())
            self._wait_for_what_is_due()

    def hurry(self, job: Job) -> None:
        """Poll a job at once, or after the poll under way; its first step does not queue behind all that are due."""
        with self._changed:
            self._hurried.add(job.name)
            self._agenda.add(job, self._clocks.monotonic())
            self._wait_for_what_is_due()

    def missing(self, job: Job) -> None:
        """Ask at once for what a job asks and has no answer to, after the poll under way."""
        with self._changed:
            self._submit(self._agenda.missing(job.name))

    def release(self) -> None:
        """Go on with the polls that were held."""
        with self._changed:
            for turn in self._agenda.release(self._clocks.monotonic()):
                self._submit(turn)
            self._wait_for_what_is_due()

    def remove(self, name: str) -> None:
        with self._changed:
            self._hurried.discard(name)
            self._agenda.remove(name)

    def _wait_for_what_is_due(self) -> None:
        """Let the scheduler wake when something is due next; called with the lock held."""
        next_at = self._agenda.next_at()
        if next_at in {None, self._wakes_at} or not self._scheduler.running or self._stopped.is_set():
            return
        self._wakes_at = next_at
        self._at(next_at, self._run_what_is_due, CLOCK)

    def _run_what_is_due(self) -> None:
        with self._changed:
            self._wakes_at = None
            for turn in self._agenda.take(self._clocks.monotonic()):
                hurried = turn.job.name in self._hurried
                self._hurried.discard(turn.job.name)
                self._submit(turn, HURRIED if hurried else "default")
            self._wait_for_what_is_due()

    def _wait_for_expiry(self, expire: Callable[[], None]) -> None:
        def look() -> None:
            with self._guard(LISTING.name, "dropping stale data"):
                self._show_late()
                expire()
            if not self._stopped.is_set():
                self._wait_for_expiry(expire)

        self._at(self._clocks.monotonic() + EXPIRY_EVERY, look, EXPIRY)

    def _at(self, moment: float, work: Callable[[], None], name: str) -> None:
        """Do something once, at a moment of the monotonic clock, on the thread of its name."""
        when = self._time.at(moment)
        self._scheduler.add_job(work, "date", run_date=when, id=name, executor=name, replace_existing=True)

    def _submit(self, turn: Turn | None, executor: str = "default") -> None:
        if turn is not None and not self._stopped.is_set():
            self._scheduler.add_job(self._step, args=(turn,), executor=executor)

    def _step(self, turn: Turn) -> None:
        """Do one step of a poll; what comes after it queues behind every other job that is due."""
        job, more, interval, in_vain = turn.job, False, None, True
        try:
            with self._guard(job.collector, job.name):
                more = self._advance(turn)
            with self._guard(job.collector, job.name):
                interval = DEFECT_PAUSE
                interval, in_vain = job.interval(), job.in_vain()
        except Stopped:
            return
        with self._changed:
            now, chance = self._clocks.monotonic(), self._chance()
            held = self._held() and in_vain
            self._submit(self._agenda.stepped(turn, now, more=more, interval=interval, chance=chance, held=held))
            self._wait_for_what_is_due()

    def _advance(self, turn: Turn) -> bool:
        """Begin a poll, or go on with it; returns whether there is more to do."""
        if turn.poll is None:
            began = self._clocks.monotonic()
            turn.poll = turn.job.begin(turn.due is None)
            if turn.poll is not None and turn.due is not None and not turn.job.light:
                self._newest_late = max(0.0, began - turn.due)
                self._show_late()
        return turn.poll is not None and turn.poll.step()

    def _show_late(self) -> None:
        """Show how late the newest poll began, or for how long another has waited that has not begun."""
        with self._changed:
            waiting = self._agenda.late(self._clocks.monotonic())
        self._late(max(self._newest_late, waiting))

    @contextmanager
    def _guard(self, collector: str, what: str) -> Iterator[None]:
        """Let an unexpected error end one task, not the schedule; it is counted."""
        try:
            yield
        except Stopped:
            raise
        except Exception:  # noqa: BLE001  as above
            self._log.exception("unexpected error", task=what)
            self._telemetry.failed(collector, InternalError.reason)
