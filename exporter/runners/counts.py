"""Keeps the counts of self-hosted runners: asks each question at the interval, and shows only what is fresh.

Whoever scales a fleet by these numbers must never see one that is frozen: each answer is shown for three intervals by
the monotonic clock and no longer, whatever becomes of its question. Nothing is stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.client import Access, Client, Limiter
from exporter.config import Config, TokenSource
from exporter.errors import PollError, UnauthorizedError
from exporter.insights.payloads import Row
from exporter.insights.questions import Question
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.schedule import Schedule
from exporter.publishing.exposition import Beside, beside
from exporter.runners import questions
from exporter.runners.answers import read
from exporter.runners.families import RUNNING, UNCLAIMED
from exporter.runners.lines import sample_lines
from exporter.runners.questions import CLASSES_PATH, COLLECTOR

STALE_AFTER = 3
"""Intervals for which an answer is shown."""
FIELDS = (UNCLAIMED.path, RUNNING.path, "resource_class", "version", "last_connected")
RATE, BURST, CONCURRENCY = 10.0, 20, 16
"""Requests per second, at once after a quiet time, and under way: enough that some that hang hold up no others."""
POLLS_AT_ONCE = 2 * CONCURRENCY
ROOT = "/api/v3"


def access(config: Config, client: Client, environ: Mapping[str, str]) -> Access:
    """Access to the runner API. Raises ConfigError without a token, StartError if the proxy or `ca_file` is unusable.

    Its host, rate and failures say nothing about the API of projects.
    """
    settings = config.circleci.model_copy(update={"auth": "circle-token", "concurrency": CONCURRENCY})
    return client.opened(settings, TokenSource(config.circleci, environ), f"{config.runners.url}{ROOT}")


def limiter(stop: threading.Event, clocks: Clocks) -> Limiter:
    """The limiter of the runner API."""
    clock, wall, waiter = clocks.monotonic, clocks.wall, clocks.waiter
    return Limiter(RATE, BURST, CONCURRENCY, stop=stop, clock=clock, wall=wall, waiter=waiter)


@dataclass(frozen=True, slots=True)
class _Ask:
    """A poll of one question."""

    counts: RunnerCounts
    question: Question

    def step(self) -> bool:
        self.counts.ask(self.question)
        return False


class RunnerCounts:
    """Asks on a schedule and threads of its own, so that neither CircleCI's API nor projects can hold it up."""

    def __init__(
        self, config: Config, attempts: Attempts, stop: threading.Event, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Ask nothing yet; every wait ends at `stop`. Raises ConfigError or StartError, as the client does."""
        self._client, self._clocks, self._telemetry, self._log = (
            attempts.client,
            attempts.clocks,
            attempts.telemetry,
            attempts.log,
        )
        self._environ, self._limiter = environ, limiter(stop, attempts.clocks)
        self._lock = threading.RLock()
        self._schedule: Schedule | None = None
        self._asked: dict[Question, Job] = {}
        self._found: dict[str, tuple[str, ...]] = {}
        self._rows: dict[Question, tuple[Sequence[Row], float]] = {}
        self._failing: set[Question] = set()
        self._dropped = 0
        self.shown = Beside()
        self._config = config
        self._api = self._opened(config)

    def start(self) -> None:
        """Ask everything at once, and then at each interval; without a class and a namespace do nothing."""
        with self._lock:
            if self._api is None or self._schedule is not None:
                return
            self._telemetry.fails_as(COLLECTOR, FIELDS)
            self._schedule = Schedule(
                self._telemetry,
                self._log,
                size=POLLS_AT_ONCE,
                clocks=self._clocks,
                late=lambda _: None,  # or it would hide how late the polls of projects are
            )
            self._settle()
            self._schedule.start(self.expire)

    def restore(self) -> None:
        """Read nothing: what is old would scale a fleet."""

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready for other settings, which the call of what is returned adopts. Raises as above."""
        before, api = self._config, self._api
        if (config.circleci, config.runners) != (before.circleci, before.runners):
            api = self._opened(config)
        return lambda: self._adopt(config, api)

    def _adopt(self, config: Config, api: Access | None) -> None:
        """What is no longer asked is no longer shown."""
        with self._lock:
            before, self._config = self._config, config
            if self._api is not None and self._api is not api:
                self._api.close()
            self._api = api
            if config.runners.url != before.runners.url:
                self._rows.clear()
                self._found.clear()
            if config.runners.interval != before.runners.interval:
                self._forget(self._asked)
            self.start()
            self._settle()
            self._publish()

    def stop(self) -> None:
        """Ask no more. Requests under way end with the stop event."""
        if self._schedule is not None:
            self._schedule.stop()

    def ask(self, question: Question) -> None:
        api, lost = self._api, self._client.lost
        if api is None or question not in self._asked:
            return
        try:
            if isinstance(lost, UnauthorizedError):  # a token that CircleCI refuses is not sent
                raise UnauthorizedError(str(lost))
            payload, date = api.ask(question, self._limiter)
            reading = read(question, payload, self._clocks.wall() if date is None else date)
        except PollError as error:
            self._failed(question, error)
            return
        with self._lock:
            if api is not self._api or question not in self._asked:
                return  # the settings changed meanwhile
            self._recovered(question)
            self._telemetry.unread(COLLECTOR, reading.unread)
            self._rows[question] = (reading.rows, self._clocks.monotonic())
            if question.endpoint == CLASSES_PATH:
                self._found[question.slug] = tuple(labels[0] for labels, _ in reading.rows)
                self._settle()
            self._publish()

    def expire(self) -> None:
        """Take away what is too old; called every second."""
        with self._lock:
            oldest = self._clocks.monotonic() - STALE_AFTER * self._config.runners.interval
            gone = [question for question, (_, received) in self._rows.items() if received <= oldest]
            for question in gone:
                del self._rows[question]
            if gone:
                self._publish()

    def _opened(self, config: Config) -> Access | None:
        return access(config, self._client, self._environ) if config.runners.wanted else None

    def _settle(self) -> None:
        """Ask exactly what settings and known classes say; called with the lock held."""
        settings = self._config.runners
        for namespace in self._found.keys() - set(settings.namespaces):
            del self._found[namespace]
        wanted = questions.questions(settings, self._found)
        self._forget(self._asked.keys() - set(wanted))
        for question in wanted:
            if question not in self._asked and self._schedule is not None:
                self._asked[question] = job = self._job(question)
                self._schedule.add(job, self._clocks.wall())

    def _forget(self, gone: Iterable[Question]) -> None:
        for question in list(gone):
            job = self._asked.pop(question)
            if self._schedule is not None:
                self._schedule.remove(job.name)
            self._failing.discard(question)

    def _job(self, question: Question) -> Job:
        name = f"{question.endpoint} {question.slug}"
        return Job(name, COLLECTOR, lambda: self._config.runners.interval, lambda _missing: _Ask(self, question))

    def _publish(self) -> None:
        """Show the newest rows of what is asked; called with the lock held."""
        settings = self._config.runners
        self._rows = {question: kept for question, kept in self._rows.items() if question in self._asked}
        rows = {question: rows for question, (rows, _) in self._rows.items()}
        classes = questions.known_classes(settings, self._found)
        lines = sample_lines(classes, settings.namespaces, rows, self._config.defaults.max_series)
        if lines.dropped and not self._dropped:
            self._log.warning("limit exceeded, runners dropped", reason="max_series", count=lines.dropped)
        self._dropped = lines.dropped
        self.shown = beside(lines.families)

    def _failed(self, question: Question, error: PollError) -> None:
        with self._lock:
            self._telemetry.failed(COLLECTOR, error.reason)
            if question in self._asked and question not in self._failing:
                self._failing.add(question)
                self._log.warning("runners are failing", reason=error.reason, error=str(error))

    def _recovered(self, question: Question) -> None:
        if question in self._failing:
            self._failing.discard(question)
            self._log.info("runners recovered", path=question.endpoint, subject=question.slug)
