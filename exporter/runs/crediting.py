"""What Insights' list of runs adds where pipelines are watched: credits, and runs that nothing else saw. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from exporter.runs import folding
from exporter.runs.asking import FURTHEST
from exporter.runs.branch_counters import FinishedRun
from exporter.runs.counting import Book
from exporter.runs.ledger import Ledger, WorkflowLedger
from exporter.runs.reading import Run


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one workflow's list, by what is to be done about them.

    `credits` are runs that were counted before their credits came, `unseen` ended runs that nothing has counted.
    """

    credits: tuple[Run, ...]
    past: tuple[Run, ...]
    unseen: tuple[Run, ...]


def sorted_rows(rows: Iterable[Run], name: str, known: Mapping[int, bool], watched: set[int], book: Book) -> Rows:
    """Sort the rows of one workflow.

    `known` tells of remembered runs, by key, whether their credits have come; `watched` are the keys of runs that
    are looked at by themselves.
    """
    ended = {row.key: row for row in rows if row.status}
    waiting = [row for key, row in ended.items() if known.get(key) is False]
    workflow = book.ledger.workflows.get(name)
    floor = 0 if workflow is None else workflow.floor  # before it runs are read for their credits alone
    unknown = [row for key, row in ended.items() if key not in known and key not in watched and row.created >= floor]
    past = [row for row in unknown if book.is_past(name, row.created, row.stopped_at, tag=False)]
    gone = {row.key for row in past}
    return Rows(tuple(waiting), tuple(past), tuple(row for row in unknown if row.key not in gone))


def credit(book: Book, name: str, rows: Rows) -> None:
    """Add the credits that have come, and remember what had ended before anything was counted."""
    for row in rows.credits:
        book.credit(name, book.label(row.branch), row.key, row.created, row.credits)
    for row in rows.past:
        book.remember(name, row.key, row.created, credited=True)


def count(book: Book, name: str, row: Run) -> None:
    """Count a run by what Insights says of it, since CircleCI does not show the run itself."""
    finished = FinishedRun(row.key, row.status, row.created, row.stopped_at, credits=row.credits)
    book.count(name, book.label(row.branch), finished, "insights", credited=True)


def swept(
    ledger: Ledger,
    name: str,
    rows: Iterable[Run],
    *,
    start: int,
    lookback: float,
    now: float,
    waiting: Iterable[float] = (),
) -> Ledger:
    """The ledger after one workflow's list was read from `start` on, to its end.

    `waiting` are the creations of runs that are to be asked for again.
    """
    before = ledger.workflows.get(name) or WorkflowLedger(ledger.began)
    created = [row.created_at for row in rows]
    newest = max([*created, *([] if before.newest is None else [before.newest])], default=None)
    after = folding.read_to_end(before, newest, now=now, start=start, lookback=lookback, waiting=waiting)
    return replace(ledger, workflows={**ledger.workflows, name: replace(after, swept_at=now)})


def named(ledger: Ledger, names: Iterable[str], now: float) -> Ledger:
    """The ledger after the names of Insights' workflows were read. One that ran lately stays, listed or not."""
    listed = set(names)
    for name, workflow in ledger.workflows.items():
        seen = [counters.seen for counters in workflow.branches.values()]  # Insights never lists those of tags alone
        newest = max([*seen, *([] if workflow.newest is None else [workflow.newest])], default=None)
        if newest is not None and now - newest < FURTHEST:
            listed.add(name)
    return folding.named(ledger, listed, now)
