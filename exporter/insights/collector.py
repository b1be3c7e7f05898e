"""What a row of the table of collectors is: an endpoint, its question, and the tables in its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

from exporter.insights.family import Family
from exporter.insights.payloads import Row
from exporter.insights.questions import ALL_BRANCHES, Params, Question, scoped, shared
from exporter.insights.readers import BUCKETS, Asked, Reader, plain

DAY = 86_400.0
PROJECT_POLL, RUNS_POLL, PIPELINES_POLL, ORGANIZATION_POLL = "project", "runs", "pipelines", "organization"
"""The kinds of polls."""
Period = Callable[[Question, float], Params]
"""Gives parameters that limit an answer in time, at a moment in Unix seconds: they do not identify the question."""


def all_time(question: Question, now: float) -> Params:  # noqa: ARG001  a Period
    """Nothing but what identifies the question."""
    return ()


def recent_buckets(question: Question, now: float) -> Params:
    """Start at a bucket: three days ago for daily ones, two for hourly ones, since CircleCI keeps no more."""
    length = BUCKETS[question.granularity]
    days = 3 if question.granularity == "daily" else 2
    start = (now - days * DAY) // length * length
    return (("start-date", f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M:%SZ}"),)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an answer that become samples: one label set a row, one sample in each family.

    `rows` is the dotted path of the list (nothing: the answer itself is the only row), `labels` the
    samples' labels in alphabetical order, `own` those that the row itself has, each with
    its dotted path.
    `top` is the configuration key that says how many rows a project wants, the worst first; without it: all.
    """

    name: str
    families: tuple[Family, ...]
    labels: tuple[str, ...]
    rows: str = "items"
    own: Mapping[str, str] = field(default_factory=dict, hash=False)
    read: Reader = plain
    top: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The dotted paths of the row's own labels."""
        return tuple(self.own.values())

    def limit(self, project: object) -> int | None:
        """How many rows a project's settings want; None is all."""
        limit: int | None = attrgetter(self.top)(project) if self.top else None
        return limit


class PageColumns(NamedTuple):
    """The columns that the page for a person shows, by their paths."""

    success_ratio: str
    median: str
    p95: str
    runs: str


@dataclass(frozen=True, slots=True)
class Collector:
    """One endpoint: its path's template, what its question repeats over, and the tables in its answer.

    `poll` is the kind of poll that asks it, `interval` the configuration key of its interval. `lists` says that
    its rows are the workflows that others repeat over. `max_age` is the configuration key of the time for which
    a workflow's answer holds while the workflow's row stays the same. `alternates` says that a poll asks half of
    its windows, and the others only if one of these changed. `counted` are tables that are shown from
    a project's ledger instead of an answer, `reads` the fields that are read for it. `page` is what the page
    for a person shows of it. `replaces` is the kind of poll whose work its own does too; the collectors of that
    one then have another interval, whose key is `interval_replaced`.
    """

    name: str
    endpoint: str
    tables: tuple[Table, ...]
    over: tuple[str, ...] = ()
    paged: bool = False
    period: Period = all_time
    lists: bool = False
    max_age: str = ""
    alternates: bool = False
    poll: str = PROJECT_POLL
    interval: str = "interval"
    counted: tuple[Table, ...] = ()
    reads: tuple[str, ...] = ()
    page: PageColumns | None = None
    replaces: str = ""
    interval_replaced: str = ""

    @property
    def shown(self) -> tuple[Table, ...]:
        return self.tables + self.counted

    @property
    def scoped(self) -> bool:
        """Whether it has numbers by branch, so a project must choose some."""
        return any("branch" in table.labels for table in self.shown)

    @property
    def of_organization(self) -> bool:
        """Whether it belongs to organizations, not to projects."""
        return self.poll == ORGANIZATION_POLL

    def holds(self, project: object) -> float:
        """The seconds for which an answer is valid while its workflow's row is the same, from a project's settings."""
        seconds: float = attrgetter(self.max_age)(project) if self.max_age else 0.0
        return seconds

    def polled_every(self, project: object, replaced: Collection[str]) -> float:
        """The seconds between two polls, from a project's settings; other polls do the work of the `replaced` kinds."""
        interval: float = attrgetter(self.interval_replaced if self.poll in replaced else self.interval)(project)
        return interval

    def questions(
        self, slug: str, *, workflow: str = "", branch: str = "", windows: Sequence[str] = ()
    ) -> Iterator[Question]:
        """The questions for one workflow and branch, or for the project: one a window or granularity."""
        if branch == ALL_BRANCHES and "granularity" in self.over:  # this endpoint has no all-branches
            return
        scope = scoped(branch) if "branch" in self.over else ()
        for name, values in (("window", windows), ("granularity", BUCKETS)):
            if name in self.over:
                key = "reporting-window" if name == "window" else name
                for value in values:
                    yield Question(self.name, self.endpoint, slug, workflow, shared((*scope, (key, value))))
                return
        yield Question(self.name, self.endpoint, slug, workflow, shared(scope))

    def fields(self) -> tuple[str, ...]:
        """The dotted paths of all that is read of an answer, each once."""
        keys = (key.lstrip("?") for table in self.tables for key in table.keys)
        columns = (family.column.path for table in self.tables for family in table.families)
        return tuple(dict.fromkeys(path for path in (*keys, *columns, *self.reads) if path))

    def sent(self, question: Question, now: float) -> Question:
        """The question as it is sent at a moment; the question itself stays the key of its answer."""
        return question._replace(params=(*question.params, *self.period(question, now)))

    def read(
        self, pages: Sequence[object], question: Question, now: float
    ) -> tuple[dict[str, list[Row]], Counter[str]]:
        """Read all tables; returns the rows by the table's name, and the fields that could not be read.

        A field that several tables read counts once.
        """
        rows, unread = {}, Counter[str]()
        for table in self.tables:
            columns = tuple(family.column for family in table.families)
            reading = table.read(pages, Asked(question, now, table.rows, table.keys, columns))
            rows[table.name] = reading.rows
            unread |= reading.unread
        return rows, unread
