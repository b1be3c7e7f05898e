"""THE COLLECTOR TABLE: which question is asked, what it repeats over, and how its answer becomes rows.

One row is one endpoint. `tables` say which rows of the answer become samples of which families.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from exporter import families
from exporter.payloads import Reading, read_rows
from exporter.questions import ALL_BRANCHES, Question, scoped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.config import Project
    from exporter.families import Family
    from exporter.payloads import Row

GRANULARITIES = ("daily", "hourly")


class Reader(Protocol):
    """Makes rows of an answer's pages; `now` is the time of the answer in seconds since the epoch."""

    def __call__(self, pages: Sequence[object], table: Table, now: float) -> Reading:
        """Raise PayloadError for an answer that is not to be believed at all."""


class Limit(Protocol):
    """How many rows of a table a project wants, worst first; None is all."""

    def __call__(self, project: Project) -> int | None:
        """Read it from the project's settings."""


def plain(pages: Sequence[object], table: Table, now: float) -> Reading:  # noqa: ARG001  a Reader
    """Each entry of the list is a row, as it stands."""
    return read_rows(pages, table.rows, table.keys, [family.column for family in table.families])


def unlimited(project: Project) -> int | None:  # noqa: ARG001  a Limit
    """All rows."""
    return None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an answer that become samples: one label set a row, one sample in each family.

    `rows` is the dotted path of the list (nothing: the answer itself is the only row), `labels` the
    samples' labels in alphabetical order, `keys` the dotted paths of those that the row itself has.
    """

    name: str
    families: tuple[Family, ...]
    labels: tuple[str, ...]
    rows: str = "items"
    own: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    read: Reader = plain
    limit: Limit = unlimited


@dataclass(frozen=True, slots=True)
class Collector:
    """One endpoint: its path's template, what its question repeats over, and the tables in its answer."""

    name: str
    endpoint: str
    tables: tuple[Table, ...]
    over: tuple[str, ...] = ()
    paged: bool = False

    def questions(
        self, slug: str, *, workflow: str = "", branch: str = "", windows: Sequence[str] = ()
    ) -> Iterator[Question]:
        """The questions for one workflow and branch, or for the project: one a window or granularity."""
        if branch == ALL_BRANCHES and "granularity" in self.over:  # this endpoint has no all-branches
            return
        scope = scoped(branch) if "branch" in self.over else ()
        for name, values in (("window", windows), ("granularity", GRANULARITIES)):
            if name in self.over:
                key = "reporting-window" if name == "window" else name
                for value in values:
                    yield Question(self.name, self.endpoint, slug, workflow, (*scope, (key, value)))
                return
        yield Question(self.name, self.endpoint, slug, workflow, scope)

    def read(self, pages: Sequence[object], now: float) -> tuple[dict[str, list[Row]], Counter[str]]:
        """Read all tables; returns the rows by the table's name, and the fields that could not be read."""
        rows, unread = {}, Counter[str]()
        for table in self.tables:
            reading = table.read(pages, table, now)
            rows[table.name] = reading.rows
            unread += reading.unread
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
        ),
    )
}

NAMES = (*COLLECTORS, "runs")
"""Every collector that a configuration can name; `runs` counts single runs and has a poller of its own."""
