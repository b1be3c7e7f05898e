"""Keeps the counts of self-hosted runners: asks each question at the interval, and shows only what is fresh.

Whoever scales a fleet by these numbers must never see one that is frozen: each answer is shown for three intervals by
the monotonic clock and no longer, whatever becomes of its question. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporter.client import Access, Limiter
from exporter.config import Config
from exporter.errors import PollError, UnauthorizedError
from exporter.insights.payloads import Row
from exporter.insights.questions import Question
from exporter.polling.agenda import Job
from exporter.polling.source import Examined, Parts, Shown, Source
from exporter.runners import questions
from exporter.runners.answers import read
from exporter.runners.examination import REMEDIES, examined
from exporter.runners.families import FAMILIES, RUNNING, UNCLAIMED
from exporter.runners.lines import sample_lines
from exporter.runners.questions import CLASSES_PATH, COLLECTOR

STALE_AFTER = 3
"""Intervals for which an answer is shown."""
RATE, BURST, CONCURRENCY = 10.0, 20, 16
"""Requests per second, at once after a quiet time, and under way: enough that some that hang hold up no others."""
ROOT = "/api/v3"


def access(config: Config, parts: Parts) -> Access:
    """Access to the runner API. Raises ConfigError without a token, StartError if the proxy or `ca_file` is unusable.

    Its host, rate and failures say nothing about the API of projects.
    """
    settings = config.circleci.model_copy(update={"auth": "circle-token", "concurrency": CONCURRENCY})
    return parts.attempts.client.opened(settings, f"{config.runners.url}{ROOT}")


def limiter(parts: Parts) -> Limiter:
    """The limiter of the runner API."""
    return parts.limiter(RATE, BURST, CONCURRENCY)


@dataclass(frozen=True, slots=True)
class _Ask:
    """A poll of one question."""

    counts: RunnerCounts
    question: Question

    def step(self) -> bool:
        self.counts.ask(self.question)
        return False


class RunnerCounts(Source[Question]):
    """Asks on a schedule and threads of its own, so that neither CircleCI's API nor projects can hold it up."""

    title, is_failing, has_recovered = "self-hosted runners", "runners are failing", "runners recovered"
    is_cut = "limit exceeded, runners dropped"
    collector, families, remedies = COLLECTOR, FAMILIES, REMEDIES
    fields = (UNCLAIMED.path, RUNNING.path, "resource_class", "version", "last_connected")
    threads = 2 * CONCURRENCY

    def __init__(self, config: Config, parts: Parts) -> None:
        """Ask nothing yet. Raises ConfigError or StartError, as `access` does."""
        super().__init__(config, parts)
        self._limiter = limiter(parts)
        self._found: dict[str, tuple[str, ...]] = {}
        self._rows: dict[Question, tuple[Sequence[Row], float]] = {}
        self._api = self._opened(config)

    @classmethod
    def examine(cls, config: Config, parts: Parts) -> list[Examined]:
        """Ask about all that the configuration names."""
        if not config.runners.wanted:
            return []
        api, by = access(config, parts), limiter(parts)
        return examined(config.runners, lambda question: api.ask(question, by)[0], CONCURRENCY)

    def prepare(self, config: Config) -> Callable[[], None]:
        """As each source does; a token or `ca_file` that cannot be used is found now."""
        before, api, adopt = self.config, self._api, super().prepare(config)
        if (config.circleci, config.runners) != (before.circleci, before.runners):
            api = self._opened(config)

        def adopt_with_access() -> None:
            with self.lock:
                if self._api is not None and self._api is not api:
                    self._api.close()
                self._api = api
                if config.runners.url != before.runners.url:
                    self._rows.clear()
                    self._found.clear()
                if config.runners.interval != before.runners.interval:
                    self.leave(self.jobs)
                adopt()

        return adopt_with_access

    def wanted(self) -> list[Question]:
        settings = self.config.runners
        for namespace in self._found.keys() - set(settings.namespaces):
            del self._found[namespace]
        return questions.questions(settings, self._found)

    def job(self, key: Question) -> Job:
        name = f"{key.endpoint} {key.slug}"
        return Job(name, COLLECTOR, lambda: self.config.runners.interval, lambda _missing: _Ask(self, key))

    def named(self, key: Question) -> Mapping[str, str]:
        return {"path": key.endpoint, "subject": key.slug}

    def ask(self, question: Question) -> None:
        api, lost, clocks = self._api, self.attempts.client.lost, self.attempts.clocks
        if api is None or question not in self.jobs:
            return
        try:
            if isinstance(lost, UnauthorizedError):  # a token that CircleCI refuses is not sent
                raise UnauthorizedError(str(lost))
            payload, date = api.ask(question, self._limiter)
            reading = read(question, payload, clocks.wall() if date is None else date)
        except PollError as error:
            self.failed(question, error)
            return
        with self.lock:
            if api is not self._api or question not in self.jobs:
                return  # the settings changed meanwhile
            self.recovered(question)
            self.attempts.telemetry.unread(COLLECTOR, reading.unread)
            self._rows[question] = (reading.rows, clocks.monotonic())
            if question.endpoint == CLASSES_PATH:
                self._found[question.slug] = tuple(labels[0] for labels, _ in reading.rows)
                self.settle()
            self.publish()

    def expire(self) -> None:
        """Take away what is too old; called every second."""
        with self.lock:
            oldest = self.attempts.clocks.monotonic() - STALE_AFTER * self.config.runners.interval
            gone = [question for question, (_, received) in self._rows.items() if received <= oldest]
            for question in gone:
                del self._rows[question]
            if gone:
                self.publish()

    def lines(self) -> Shown:
        """The newest rows of what is asked."""
        settings = self.config.runners
        self._rows = {question: kept for question, kept in self._rows.items() if question in self.jobs}
        rows = {question: rows for question, (rows, _) in self._rows.items()}
        classes = questions.known_classes(settings, self._found)
        families, dropped = sample_lines(classes, settings.namespaces, rows, self.config.defaults.max_series)
        return families, {"": dropped}

    def _opened(self, config: Config) -> Access | None:
        return access(config, self.parts) if config.runners.wanted else None
