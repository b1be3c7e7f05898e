"""What `backfill` says: why it refuses, how far it is, what it could not read, and what to do with its files."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from exporter.cli.telling import printable
from exporter.history import retention
from exporter.history.backfill import Asked, Written
from exporter.history.grid import DAY
from exporter.history.reading import Progress, Unread
from exporter.system.logs import Logger

LARGEST_BLOCK = "486h"
"""Larger blocks are read faster, and fewer of them make promtool read a file less often."""
DEFAULT_RETENTION = "15 days"
SHOWN = 3
TELL_EVERY = 5.0
SPEED_OVER = 300.0
"""Seconds over which the speed is measured: CircleCI may ask for a pause of a minute, and pages differ."""
REFUSED = (
    "Backfill comes before the first `run`. With --restart-counters it discards these counters and starts them "
    "again from the runs that it reads. Before you load its files, delete the old series from Prometheus: "
    "old and new values mixed make increase() wrong."
)


def restart(counted: Sequence[str]) -> None:
    """Say what restarting counters will do, before it is done."""
    click.echo(
        f"Restarting counters: when all runs are read, the counters of {names(counted)} are discarded "
        "and start again from the runs of the last days. Counters of jobs and pipelines start at 0. Delete the old "
        "series from Prometheus before you load the files.",
        err=True,
    )


def names(slugs: Sequence[str]) -> str:
    """Some slugs, and how many more there are."""
    more = len(slugs) - SHOWN
    return ", ".join(slugs[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def unread(found: Sequence[Unread], log: Logger, *, plain: bool) -> None:
    """Name what could not be read."""
    for what, why in found:
        if plain:
            click.echo(printable(f"{what}: {why}"), err=True)
        else:
            log.error("could not be read", what=what, error=why)
    if plain:
        click.echo(
            "Nothing was written, because not everything could be read. What was read is kept for a day: "
            "run the same command again to continue.",
            err=True,
        )
    else:
        log.error("nothing was written; run the same command again to continue", unread=len(found))


def stopped(log: Logger, *, plain: bool) -> None:
    """Say that a signal ended it, and how to go on."""
    if plain:
        click.echo("Stopped. What was read is kept for a day: run the same command again to continue.", err=True)
    else:
        log.info("stopped; run the same command again to continue")


def next_steps(written: Written, asked: Asked, given: Path, prometheus: str | None) -> None:
    """Print what to do with the files, and what to mind before that; `given` is the flag for the directory."""
    folder = written.files[0].parent
    output = shlex.quote(str(given if given.absolute() == folder else folder))
    click.echo(f"{written.runs} runs, {written.size} bytes in {len(written.files)} files:")
    for path in written.files:
        click.echo(f"  {path}")
    click.echo(
        "\nCreate blocks, then move the directories in blocks/ into Prometheus' data directory:\n\n"
        f"  for file in {output}/*.om; do promtool tsdb create-blocks-from openmetrics "
        f'--max-block-duration={LARGEST_BLOCK} "$file" {output}/blocks; done\n'
    )
    if written.cut:
        click.echo(
            f"Warning: {written.cut:,} series are beyond max_series. The files leave them out, as `run` does.", err=True
        )
    for warning in _warnings(prometheus, asked.labels, asked.days):
        click.echo(f"Warning: {warning}", err=True)
    click.echo("Now start `run` with the same configuration. It continues from these counters.")
    sys.stdout.flush()


def _warnings(prometheus: str | None, labels: Mapping[str, str], days: int) -> Iterator[str]:
    missing = [name for name in ("job", "instance") if name not in labels]
    if missing:
        yield (
            f"no label {' and no label '.join(missing)}. The files and your scrape would make different series. "
            "Set --label job=... and --label instance=... to the values of your scrape."
        )
    at_least = f"Set --storage.tsdb.retention.time to {days}d or more before you move the blocks."
    if prometheus is None:
        yield f"Prometheus keeps {DEFAULT_RETENTION} by default and deletes older blocks at once. {at_least}"
        return
    try:
        kept = retention.ask(prometheus)
    except ValueError as error:
        yield f"{retention.without_login(prometheus)} did not tell its retention: {error}. {at_least}"
        return
    if kept is not None and kept < days * DAY:
        yield f"this Prometheus keeps {kept / DAY:g} days and deletes older blocks at once. {at_least}"


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
