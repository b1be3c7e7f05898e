"""What `backfill` says: why it refuses, what it could not read, and what to do with its files."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from exporter.cli.telling import printable
from exporter.history import retention
from exporter.history.grid import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.history.backfill import Asked, Written
    from exporter.history.reading import Unread
    from exporter.system.logs import Logger

LARGEST_BLOCK = "486h"
"""Larger blocks are read faster, and fewer of them make promtool read a file less often."""
DEFAULT_RETENTION = "15 days"
SHOWN = 3
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
