"""What Insights' list of runs adds: all there is to count, or where pipelines are watched what they lack. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.counting.book import RunBook
from exporter.counting.ledger import FinishedRun
from exporter.counting.pipeline_book import PipelineBook
from exporter.runs import watching
from exporter.runs.live import INSIGHTS, Live
from exporter.runs.reading import Run, key_of

OWED, COME, RERUN = range(3)
"""Whether the credits of a run have come; those of a re-run are owed to it as such, too."""
WAITING = frozenset({OWED, RERUN})


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one workflow's list, by what is to be done about them.

    `credits` are runs that were counted before their credits came, `early` those of them of which it is not decided
    yet whether they are re-runs, `unseen` ended runs that nothing has counted.
    """

    credits: tuple[Run, ...]
    early: tuple[Run, ...]
    past: tuple[Run, ...]
    unseen: tuple[Run, ...]


def sorted_rows(
    rows: Iterable[Run], name: str, known: Mapping[int, int], watched: set[int], book: PipelineBook
) -> Rows:
    """Sort the rows of one workflow.

    `known` tells of remembered runs, by key, whether their credits have come; `watched` are the keys of runs that
    are looked at by themselves.
    """
    ended = {row.key: row for row in rows if row.status}
    waiting = [row for key, row in ended.items() if known.get(key) in WAITING]
    undecided = set(_undecided(book.live))
    workflow = book.ledger.workflows.get(name)
    floor = 0 if workflow is None else workflow.floor  # before it runs are read for their credits alone
    unknown = [row for key, row in ended.items() if key not in known and key not in watched and row.created >= floor]
    past = [row for row in unknown if book.is_past(name, row.created, row.stopped_at, tag=False)]
    gone = {row.key for row in past}
    return Rows(
        tuple(row for row in waiting if row.key not in undecided),
        tuple(row for row in waiting if row.key in undecided),
        tuple(past),
        tuple(row for row in unknown if row.key not in gone),
    )


def credit(book: RunBook, name: str, rows: Iterable[Run], known: Mapping[int, int] | None = None) -> None:
    """Add the credits that have come of runs that were counted before; `known` tells which of them are re-runs."""
    just_found = book.changes.reruns.get(name, ())
    for row in rows:
        rerun = row.key in just_found or (known is not None and known[row.key] == RERUN)
        book.credit(name, book.label(row.branch), row.key, row.created, row.credits, rerun=rerun)


def _undecided(live: Live) -> Iterator[int]:
    """The keys of runs of which looks are about to tell whether they are re-runs."""
    for pipeline in live.pipelines.values():
        if not watching.is_set_aside(pipeline):
            yield from (key_of(run.id) for run in pipeline.runs)
            yield from (key_of(run.id) for run in pipeline.ended if not run.told)


def add(book: RunBook, name: str, rows: Iterable[Run]) -> None:
    """Add the rows of one workflow that are not remembered, each once, as all that is known of its runs.

    Those that have not finished make their series appear, at 0.
    """
    baseline = book.ledger.workflows[name].baseline
    for row in sorted(rows, key=lambda row: (row.created_at, row.key)):
        branch = book.label(row.branch)
        if not row.status:
            book.appear(name, branch, row.created_at)
        elif baseline:
            book.pass_over(name, branch, FinishedRun.told(row, by_stop=False))
        else:
            book.count(name, branch, FinishedRun.told(row, by_stop=False), INSIGHTS, credited=True)


def count(book: PipelineBook, name: str, row: Run) -> None:
    """Count a run by what Insights says of it, since CircleCI does not show the run itself."""
    book.count(name, book.label(row.branch), FinishedRun.told(row, by_stop=True), INSIGHTS, credited=True)
