"""THE COLLECTOR TABLE: which question is asked, what it repeats over, and how its answer becomes rows.

One row is one endpoint. `tables` say which rows of the answer become samples of which families. What the
rest of the program does for a collector is a column here: no other module knows one by its name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from exporter.insights import families, readers
from exporter.insights.questions import ALL_BRANCHES, Question, scoped
from exporter.insights.readers import BUCKETS, Asked, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exporter.insights.families import Family
    from exporter.insights.payloads import Row
    from exporter.insights.readers import Reader

DAY = 86_400.0
ORGANIZATIONS = "organizations"
"""The one collector that no project has: it is asked of the organizations whose projects are searched for."""
PROJECT_POLL, RUNS_POLL, PIPELINES_POLL, ORGANIZATION_POLL = "project", "runs", "pipelines", "organization"
"""The kinds of polls."""
RUNS = "runs"
"""The collector that counts single runs."""
PIPELINES = "pipelines"
"""The collector that knows what runs now."""
Params = tuple[tuple[str, str], ...]


class Period(Protocol):
    """Parameters that bound the time of an answer; they move with `now`, so they do not identify the question."""

    def __call__(self, question: Question, now: float) -> Params:
        """Give them for a moment, in Unix seconds."""


def all_time(question: Question, now: float) -> Params:  # noqa: ARG001  a Period
    """Nothing but what identifies the question."""
    return ()


def recent_buckets(question: Question, now: float) -> Params:
    """From the start of a bucket on: three days of daily ones, two of hourly ones, which live no longer."""
    length = BUCKETS[question.granularity]
    days = 3 if question.granularity == "daily" else 2
    start = (now - days * DAY) // length * length
    return (("start-date", f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M:%SZ}"),)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an answer that become samples: one label set a row, one sample in each family.

    `rows` is the dotted path of the list (nothing: the answer itself is the only row), `labels` the
    samples' labels in alphabetical order, `own` those that the row itself has, `keys` their dotted paths.
    `top` is the configuration key that says how many rows a project wants, the worst first; without it: all.
    """

    name: str
    families: tuple[Family, ...]
    labels: tuple[str, ...]
    rows: str = "items"
    own: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    read: Reader = plain
    top: str = ""

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
    a workflow's answer holds while the workflow's row stays the same. `counted` are tables that are shown from
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
    poll: str = PROJECT_POLL
    interval: str = "interval"
    counted: tuple[Table, ...] = ()
    reads: tuple[str, ...] = ()
    page: PageColumns | None = None
    replaces: str = ""
    interval_replaced: str = ""

    @property
    def shown(self) -> tuple[Table, ...]:
        """All tables whose families it shows."""
        return self.tables + self.counted

    @property
    def scoped(self) -> bool:
        """Whether it tells branches apart, so that a project must choose some."""
        return any("branch" in table.labels for table in self.shown)

    @property
    def of_organization(self) -> bool:
        """Whether organizations have it, and no project."""
        return self.poll == ORGANIZATION_POLL

    def holds(self, project: object) -> float:
        """The seconds for which an answer holds while its workflow's row stays the same, by a project's settings."""
        seconds: float = attrgetter(self.max_age)(project) if self.max_age else 0.0
        return seconds

    def polled_every(self, project: object) -> float:
        """The seconds between two polls by a project's settings."""
        names: Iterable[str] = attrgetter("collectors")(project)
        key = self.interval_replaced if self.poll in replaced(names) else self.interval
        interval: float = attrgetter(key)(project)
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
                    yield Question(self.name, self.endpoint, slug, workflow, (*scope, (key, value)))
                return
        yield Question(self.name, self.endpoint, slug, workflow, scope)

    def fields(self) -> tuple[str, ...]:
        """The dotted paths of all that is read of an answer, each once."""
        keys = (key.lstrip("?") for table in self.tables for key in table.keys)
        columns = (family.column.path for table in self.tables for family in table.families)
        return tuple(dict.fromkeys(path for path in (*keys, *columns, *self.reads) if path))

    def sent(self, question: Question, now: float) -> Question:
        """The question as it is sent at a moment; the question itself stays the key of its answer."""
        return replace(question, params=(*question.params, *self.period(question, now)))

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


COLLECTORS: Mapping[str, Collector] = {
    collector.name: collector
    for collector in (
        Collector(
            "workflows",
            "/insights/{slug}/workflows",
            (
                Table(
                    "workflow",
                    families.WORKFLOW,
                    ("branch", "project", "window", "workflow"),
                    own=("workflow",),
                    keys=("name",),
                ),
            ),
            over=("branch", "window"),
            paged=True,
            lists=True,
            page=PageColumns(
                success_ratio="metrics.success_rate",
                median="metrics.duration_metrics.median",
                p95="metrics.duration_metrics.p95",
                runs="metrics.total_runs",
            ),
        ),
        Collector(
            "jobs",
            "/insights/{slug}/workflows/{workflow}/jobs",
            (
                Table(
                    "job",
                    families.JOB,
                    ("branch", "job_name", "project", "window", "workflow"),
                    own=("job_name",),
                    keys=("name",),
                ),
            ),
            over=("workflow", "branch", "window"),
            paged=True,
            max_age="jobs.max_age",
        ),
        Collector(
            "project",
            "/insights/pages/{slug}/summary",
            (
                Table("project", families.PROJECT_TOTALS, ("project", "window"), rows=""),
                Table(
                    "workflow",
                    families.PROJECT_WORKFLOW,
                    ("project", "window", "workflow"),
                    rows="?project_workflow_data",
                    own=("workflow",),
                    keys=("workflow_name",),
                ),
            ),
            over=("window",),
        ),
        Collector(
            "workflow_summary",
            "/insights/{slug}/workflows/{workflow}/summary",
            (Table("summary", families.WORKFLOW_SUMMARY, ("branch", "project", "workflow"), rows=""),),
            over=("workflow", "branch"),
        ),
        Collector(
            "job_trend",
            "/insights/time-series/{slug}/workflows/{workflow}/jobs",
            (
                Table(
                    "bucket",
                    families.JOB_BUCKET,
                    ("branch", "granularity", "job_name", "project", "workflow"),
                    own=("job_name",),
                    keys=("name",),
                    read=readers.newest_bucket,
                ),
            ),
            over=("workflow", "branch", "granularity"),
            paged=True,
            period=recent_buckets,
        ),
        Collector(
            "flaky_tests",
            "/insights/{slug}/flaky-tests",
            (
                Table("project", families.FLAKY_TOTAL, ("project",), rows="", read=readers.snake_case(plain)),
                Table(
                    "job",
                    families.FLAKY_JOB,
                    ("job_name", "project", "workflow"),
                    rows="flaky_tests",
                    own=("job_name", "workflow"),
                    keys=("job_name", "workflow_name"),
                    read=readers.snake_case(readers.flakes),
                ),
                Table(
                    "top",
                    families.FLAKY_TOP,
                    ("class_name", "job_name", "project", "test_name", "workflow"),
                    rows="flaky_tests",
                    own=("class_name", "job_name", "test_name", "workflow"),
                    keys=("?classname", "job_name", "test_name", "workflow_name"),
                    read=readers.snake_case(readers.worst(readers.flakes)),
                    top="flaky_tests.top",
                ),
            ),
        ),
        Collector(
            "tests",
            "/insights/{slug}/workflows/{workflow}/test-metrics",
            (
                Table("workflow", families.TESTS, ("branch", "project", "workflow"), rows=""),
                Table(
                    "test",
                    families.TEST,
                    ("branch", "class_name", "job_name", "project", "test_name", "workflow"),
                    own=("class_name", "job_name", "test_name"),
                    keys=("?classname", "job_name", "test_name"),
                    read=readers.tests,
                    top="tests.top",
                ),
            ),
            over=("workflow", "branch"),
        ),
        Collector(
            ORGANIZATIONS,
            "/insights/{slug}/summary",
            (
                Table("totals", families.ORGANIZATION, ("organization", "window"), rows=""),
                Table("names", (), (), rows="?all_projects", own=("name",), keys=("",), read=readers.distinct),
            ),
            over=("window",),
            poll=ORGANIZATION_POLL,
        ),
        Collector(
            RUNS,
            "/insights/{slug}/workflows/{workflow}",
            (),
            over=("workflow",),
            paged=True,
            poll=RUNS_POLL,
            interval="runs.interval",
            interval_replaced="runs.sweep",
            counted=(
                Table("status", (families.RUNS_TOTAL,), ("branch", "project", "status", "workflow")),
                Table("run", families.RUN, ("branch", "project", "workflow")),
            ),
            reads=("id", "branch", "created_at", "status", "stopped_at", "duration", "credits_used", "is_approval"),
        ),
        Collector(
            PIPELINES,
            "/project/{slug}/pipeline",
            (),
            paged=True,
            poll=PIPELINES_POLL,
            interval="pipelines.longest",
            counted=(
                Table("pipelines", (families.PIPELINES_TOTAL,), ("branch", "outcome", "project", "trigger")),
                Table("runs", (families.RUNS_IN_PROGRESS,), ("branch", "project", "status", "workflow")),
                Table("oldest run", (families.OLDEST_RUN_IN_PROGRESS,), ("branch", "project", "workflow")),
                Table("jobs", (families.JOBS_IN_PROGRESS,), ("project", "status")),
                Table("oldest job", (families.OLDEST_WAITING_JOB,), ("project",)),
                Table("job runs", (families.JOB_RUNS,), ("branch", "job_name", "project", "status", "workflow")),
                Table("path", (families.JOB_CRITICAL_PATH,), ("branch", "job_name", "phase", "project", "workflow")),
                Table(
                    "job times",
                    (families.JOB_RUN_DURATION, families.JOB_RUN_WAIT),
                    ("branch", "job_name", "project", "workflow"),
                ),
            ),
            reads=(
                "id",
                "project_slug",
                "number",
                "state",
                "created_at",
                "trigger.type",
                "vcs.branch",
                "vcs.tag",
                "trigger_parameters.git.branch",
                "trigger_parameters.git.tag",
                "pipeline_id",
                "name",
                "type",
                "status",
                "started_at",
                "stopped_at",
                "dependencies",
                "items",
            ),
            replaces=RUNS_POLL,
        ),
    )
}

(LISTING,) = (collector for collector in COLLECTORS.values() if collector.lists)
"""The one whose rows are the workflows that others repeat over."""
NAMES = tuple(COLLECTORS)
OF_PROJECTS = tuple(collector.name for collector in COLLECTORS.values() if not collector.of_organization)
"""Those that a configuration may name."""


def polls(names: Iterable[str]) -> tuple[str, ...]:
    """The kinds of polls that a project with these collectors needs, each once; its gauges' poll is always one."""
    asked = tuple(names)
    found = dict.fromkeys((PROJECT_POLL, *(COLLECTORS[name].poll for name in asked)))
    return tuple(poll for poll in found if poll not in replaced(asked))


def replaced(names: Iterable[str]) -> set[str]:
    """The kinds of polls whose work others do that a project with these collectors needs too."""
    return {COLLECTORS[name].replaces for name in names} - {""}


def counts(names: Iterable[str]) -> bool:
    """Whether one of these collectors counts into a project's ledger."""
    return any(COLLECTORS[name].counted for name in names)
