"""How far `backfill` is: a bar for a person, a line now and then for a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.history.progress import Progress
    from exporter.system.logs import Logger

TELL_EVERY = 5.0
SPEED_OVER = 300.0
"""Seconds over which the speed is measured: CircleCI may ask for a pause of a minute, and pages differ."""


@contextmanager
def shown(what: str, log: Logger, *, plain: bool, every: float = TELL_EVERY) -> Iterator[Callable[[Progress], None]]:
    """Show how far it is: to a person (`plain`), or in a log `every` so many seconds.

    Call what this gives from any thread.
    """
    with _bar(what) if plain else _lines(what, log, every) as told:
        yield told


class TimeLeft(ProgressColumn):
    """The time left, as far as it is known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None or task.finished else f"{timedelta(seconds=ceil(left))} left")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[Progress], None]]:
    whole = Column(no_wrap=True)  # on a narrow terminal the bar is what shrinks
    columns = (
        TextColumn("{task.description}", table_column=whole),
        BarColumn(),
        TaskProgressColumn(table_column=whole),
        TextColumn("{task.fields[runs]:,} runs", table_column=whole),
        TimeLeft(table_column=whole),
    )
    with Bar(*columns, console=Console(stderr=True), speed_estimate_period=SPEED_OVER) as bar:
        task = bar.add_task(what.capitalize(), total=None, runs=0)
        yield lambda so_far: bar.update(task, total=so_far.total, completed=so_far.workflows, runs=so_far.runs)


@contextmanager
def _lines(what: str, log: Logger, every: float) -> Iterator[Callable[[Progress], None]]:
    began = told_at = time.monotonic()
    before: float | None = None  # an earlier call may have done a part

    def told(so_far: Progress) -> None:
        nonlocal told_at, before
        now = time.monotonic()
        if before is None:
            before = so_far.workflows
        if now - told_at < every and so_far.workflows < so_far.total:
            return
        told_at = now
        done, left = so_far.workflows - before, so_far.total - so_far.workflows
        log.info(
            what,
            percent=round(100 * so_far.workflows / max(so_far.total, 1), 1),
            workflows=so_far.total,
            runs=so_far.runs,
            seconds_left=round((now - began) * left / done) if done else None,
        )

    yield told
