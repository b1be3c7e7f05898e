"""From records to what they add: each finished job run that is new adds its credits, seconds and queue time. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from operator import add
from typing import NamedTuple, TypeVar

from exporter.counting.cells import Distribution, Key, Value
from exporter.insights.payloads import Unreadable, text
from exporter.runs import jobs
from exporter.runs.reading import key_of
from exporter.usage import columns, families
from exporter.usage.columns import BEGUN, KINDS, MILLION, NAMES, NULL, READ, RECORD, SECONDS, TIMES, TOTAL, USE
from exporter.usage.comparing import NOBODY, Judge

Found = TypeVar("Found")
NONE = "none"
"""The label of what has no name."""
NOT_FINAL = frozenset({*jobs.UNDER_WAY, jobs.NOT_RUN})
ALWAYS_SHOWN = ("success", "failed")
"""Statuses that a job shows as soon as one of its runs is met."""
_TIMES = slice(READ.index(TIMES[0]), READ.index(TIMES[-1]) + 1)
_AMOUNTS = slice(READ.index(SECONDS), READ.index(TOTAL) + 1)
_USE = slice(READ.index(USE[0]), READ.index(USE[-1]) + 1)
_NAMES = slice(READ.index(NAMES[0]), READ.index(NAMES[-1]) + 1)
_BEGUN = slice(READ.index(BEGUN[0]), READ.index(BEGUN[-1]) + 1)
_PROVIDERS = {"github": "gh", "bitbucket": "bb"}
_MICROSECOND_DAY, _MICROSECOND = 86_400 * MILLION, MILLION


@dataclass(slots=True)
class Queue:
    """Queue times of a project's runs in one resource class: runs by bucket, and microseconds."""

    labels: tuple[str, str]
    counts: list[int]
    total: int = 0


@dataclass(slots=True)
class Series:
    """What the new runs of one job in one resource class add; `id` stands for its labels.

    Where its runs are kept by the exporter's own ledger too, `lookback` is how far that looks back, in seconds.
    """

    labels: tuple[str, str, str, str]
    id: int
    queue: Queue
    lookback: float | None = None
    credits: int = 0
    seconds: int = 0
    runs: Counter[str] = field(default_factory=Counter)


class JobRun(NamedTuple):
    """One finished job run.

    `key` stands for its id, `day` is its date (0 where it has none), `last` the latest of its days. Credits by kind,
    then their total; seconds and queue time are in millionths, the latter -1 where it is not known; `use` is CPU and
    memory in percent, median and maximum of each. Where the ledger may have it too, `told` is its id, when its pipeline
    was created and its workflow began, as they were sent.
    """

    key: int
    day: int
    last: int
    series: Series
    status: str
    credits: tuple[int, ...]
    seconds: int
    queue: int
    use: tuple[float | None, ...]
    told: tuple[str, ...] = ()


class Sums:
    """What one export adds, file by file.

    `projects` are labels by project id, `bounds` those of the histogram of queue times in seconds. `newest` is the
    latest day of all rows that were met, 0 while none was, `unread` counts columns that were missing or unreadable.
    The `judge` says of which jobs a ledger keeps the runs.
    """

    def __init__(self, projects: Mapping[str, str], bounds: tuple[float, ...], judge: Judge = NOBODY) -> None:
        self._projects, self._bounds, self._judge = projects, bounds, judge
        self._series: dict[tuple[str, ...], Series] = {}
        self._by_labels: dict[tuple[str, ...], Series] = {}
        self._queues: dict[tuple[str, str], Queue] = {}
        self._totals = [0] * (len(KINDS) + 1)
        self.newest = 0
        self.unread = Counter[str]()
        self.rows = 0

    def read(self, records: Iterator[list[str]]) -> Iterator[JobRun]:
        """The finished job runs of one file, which begins with its header. Raises PollError."""
        header = next(records, [])
        take, missing = columns.chosen(header)
        self.unread.update(missing)
        width = len(header)
        for record in records:
            if len(record) != width:
                self.unread[RECORD] += bool(record)  # an empty line is none
                continue
            self.rows += 1
            found = self._job_run(take(record))
            if found is not None:
                yield found

    def add(self, runs: Iterable[JobRun]) -> None:
        bounds, totals = self._bounds, self._totals
        for run in runs:
            series = run.series
            series.runs[run.status] += 1
            series.credits += run.credits[-1]
            series.seconds += run.seconds
            if run.queue >= 0:
                queue = series.queue
                queue.counts[bisect_left(bounds, run.queue / MILLION)] += 1
                queue.total += run.queue
            totals = list(map(add, totals, run.credits))
        self._totals = totals

    def added(self, organization: str) -> dict[Key, Value]:
        """What to add to each counter and histogram of an organization; what has to appear is there with 0."""
        found: dict[Key, Value] = {}
        for kind, amount in zip(KINDS, self._totals, strict=False):
            found[Key(families.CREDITS.name, (kind, organization))] = amount / MILLION
        for series in self._by_labels.values():
            if not series.runs:
                continue
            job, project, resource_class, workflow = series.labels
            found[Key(families.JOB_CREDITS.name, series.labels)] = series.credits / MILLION
            found[Key(families.JOB_SECONDS.name, series.labels)] = series.seconds / MILLION
            for status in {**dict.fromkeys(ALWAYS_SHOWN), **series.runs}:
                labels = (job, project, resource_class, status, workflow)
                found[Key(families.JOB_RUNS.name, labels)] = series.runs[status]
        for queue in self._queues.values():
            if any(queue.counts):
                waited = Distribution(self._bounds, tuple(queue.counts), queue.total / MILLION)
                found[Key(families.QUEUE.name, queue.labels)] = waited
        return found

    def _job_run(self, fields: tuple[str, ...]) -> JobRun | None:
        job_id, status, run_date = fields[:3]
        ordinal = self._read_one(columns.day, run_date, columns.DATE) or 0
        self.newest = max(self.newest, ordinal)
        word = self._status(status)
        identifier = columns.uuid(job_id)
        if identifier is None:
            self.unread["JOB_ID"] += job_id not in NULL
            return None
        if word is None:
            return None
        try:
            times, use = tuple(map(columns.moment, fields[_TIMES])), tuple(map(columns.percent, fields[_USE]))
            seconds, *credits_ = map(columns.millionths, fields[_AMOUNTS])
        except Unreadable:  # one of them, so each by itself
            times, use = self._read_each(columns.moment, fields, _TIMES), self._read_each(columns.percent, fields, _USE)
            seconds, *credits_ = (each or 0 for each in self._read_each(columns.millionths, fields, _AMOUNTS))
        latest, series = max(filter(None, times), default=None), self._series_of(fields[_NAMES])
        kept = series.lookback is not None and None not in times[1:]
        return JobRun(
            key_of(identifier),
            ordinal,
            ordinal if latest is None else max(ordinal, latest.toordinal()),
            series,
            word,
            tuple(credits_),
            seconds,
            _queue(times[0], times[1]),
            use,
            (identifier, *fields[_BEGUN]) if kept else (),
        )

    def _read_each(
        self, read: Callable[[str], Found], fields: tuple[str, ...], place: slice
    ) -> tuple[Found | None, ...]:
        """Neighboring fields; one that cannot be read is None, and counted."""
        return tuple(map(self._read_one, repeat(read), fields[place], READ[place]))

    def _read_one(self, read: Callable[[str], Found], value: str, name: str) -> Found | None:
        try:
            return read(value)
        except Unreadable:
            self.unread[name] += 1
            return None

    def _status(self, status: str) -> str | None:
        """The label `status`; None for a run that is not over."""
        if status in ALWAYS_SHOWN:
            return status
        word = status.lower()
        if word in NULL or status in NULL or word in NOT_FINAL:
            return None
        return word if word in jobs.STATUSES else jobs.OTHER

    def _series_of(self, names: tuple[str, ...]) -> Series:
        found = self._series.get(names)
        if found is None:
            found = self._series[names] = self._new_series(names)
        return found

    def _new_series(self, names: tuple[str, ...]) -> Series:
        """The series that a row's names stand for: several can, such as those of a project that was renamed."""
        project_id, vcs, organization, project_name, workflow, job, resource_class = map(self._name, names, NAMES)
        project = self._projects.get(project_id.lower()) or _project(vcs, organization, project_name)
        labels = (job, project, resource_class, workflow)
        known = self._by_labels.get(labels)
        if known is None:
            queue = self._queues.get((project, resource_class))
            if queue is None:
                queue = Queue((project, resource_class), [0] * (len(self._bounds) + 1))
                self._queues[queue.labels] = queue
            lookback = self._judge.lookback(project, workflow, job)
            known = self._by_labels[labels] = Series(labels, series_id(labels), queue, lookback)
        return known

    def _name(self, value: str, name: str) -> str:
        if value in NULL:
            return NONE
        try:
            return text(value)
        except Unreadable:
            self.unread[name] += 1
            return NONE


def series_id(labels: tuple[str, ...]) -> int:
    """A number for the labels of a job in a resource class, as job runs are stored with."""
    return key_of("\0".join(labels))


def _project(vcs: str, organization: str, name: str) -> str:
    if name == NONE:
        return NONE
    provider = _PROVIDERS.get(vcs.lower())
    return f"{provider}/{organization}/{name}" if provider else f"{organization}/{name}"


def _queue(queued: datetime | None, started: datetime | None) -> int:
    """Microseconds from one to the other, at least 0; -1 where either is not known."""
    if queued is None or started is None:
        return -1
    wait = started - queued
    return max(0, wait.days * _MICROSECOND_DAY + wait.seconds * _MICROSECOND + wait.microseconds)
