"""`backfill`: what it asks for, how far it is, and what to do with its files, in words."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from exporter.cli.once import found
from exporter.errors import ConfigError, Problem, StartError
from exporter.history import backfill as history
from exporter.history import retention
from exporter.history.files import UNFINISHED
from exporter.history.grid import DAY
from exporter.history.lines import OWN_LABELS
from exporter.history.reading import Reader, Unread
from exporter.history.spool import Spool
from exporter.insights.collectors import ORGANIZATIONS, RUNS
from exporter.polling.attempt import SYSTEM_CLOCKS
from exporter.process.engine import Engine
from exporter.system.signals import on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.config import Config, Project
    from exporter.history import reading
    from exporter.polling.attempt import Clocks
    from exporter.system.logs import Logger

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LARGEST_BLOCK = "486h"
"""Larger blocks are read faster, and fewer of them make promtool read a file less often."""
DEFAULT_RETENTION = "15 days"
TELL_EVERY = 5.0
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of the command."""

    output: Path
    days: int
    step: float
    labels: tuple[str, ...]
    restart_counters: bool
    prometheus: str | None


def backfill(
    config: Config,
    flags: Flags,
    log: Logger,
    *,
    plain: bool,
    environ: Mapping[str, str] = os.environ,
    clocks: Clocks = SYSTEM_CLOCKS,
) -> bool:
    """Read, write, and tell what comes next; returns whether all could be read.

    Raises ConfigError, StartError, and Stopped after a signal; then nothing is written, and what was read is kept.
    """
    asked = _asked(config, flags)
    assert config.state.path is not None  # noqa: S101  it was checked
    engine = Engine(config, log, environ=environ, clocks=clocks)
    on_signals({signal.SIGTERM: engine.stop.set, signal.SIGINT: engine.stop.set})
    if not engine.state.lasting:
        raise StartError(f"{config.state.path}: cannot be written")
    now, path = engine.clocks.wall(), config.state.path.with_name(f"{config.state.path.name}.backfill")
    spool, resumed = Spool.open(path, server=config.circleci.api_url, days=asked.days, now=now)
    try:
        if history.committed(spool, engine.state):
            _next(history.finish(spool), flags, asked)
            return True
        _refuse(config, engine, flags, config.projects)
        _folder(asked.output)
        projects, searched = found(engine, config, 0, 1)
        projects = tuple(project for project in projects if RUNS in project.collectors)
        _refuse(config, engine, flags, projects)
        if searched and not projects:
            raise ConfigError((Problem(config.file, "", "no project has the collector runs", "add it to collectors"),))
        if flags.restart_counters:
            _say_restart(engine, projects)
        if resumed:
            click.echo(f"Continuing: {spool.count()} runs were read before.", err=True)
        engine.labels.reserve(projects)
        start = int(spool.get("asked")["began"] - asked.days * DAY)
        unread = _read(engine, spool, projects, start, log, plain=plain)
        unread += [
            Unread(slug, snapshot.outcomes[ORGANIZATIONS].error)
            for slug, (snapshot, _) in engine.store.organizations.items()
            if not snapshot.outcomes[ORGANIZATIONS].success
        ]
        if unread:
            _tell_unread(unread, log, plain=plain)
            return False
        date = engine.client.date()
        until = engine.clocks.wall() if date is None else min(engine.clocks.wall(), date)
        writing = history.Writing(asked, spool, engine.state, engine.labels, start=start, now=until)
        click.echo("Writing files.", err=True)
        writing.commit(writing.stage(projects))
        _next(history.finish(spool), flags, asked)
        return True
    finally:
        spool.close()
        engine.close()


def _asked(config: Config, flags: Flags) -> history.Asked:
    """What is to be done. Raises ConfigError with all that is wrong with it."""
    problems = []
    if config.state.path is None:
        hint = "set it: `run` continues from the counters that backfill leaves there"
        problems.append(Problem(config.file, "state.path", "there is no state file", hint))
    if flags.step != int(flags.step) or not 1 <= flags.step <= DAY:
        problems.append(Problem("--step", "", f"found {flags.step:g}s", "expected whole seconds, 1d at most"))
    labels: dict[str, str] = {}
    for written in flags.labels:
        name, equals, value = written.partition("=")
        if not equals or not LABEL.fullmatch(name) or name.startswith("__") or name in OWN_LABELS or name in labels:
            hint = f"expected name=value, each name once, and none of {', '.join(OWN_LABELS)}"
            problems.append(Problem("--label", "", f"found {written!r}", hint))
        elif value:
            labels[name] = value
    if problems:
        raise ConfigError(tuple(problems))
    return history.Asked(flags.output, flags.days, int(flags.step), labels)


def _folder(output: Path) -> None:
    """Raise ConfigError unless the directory is empty, or can be made."""
    what = ""
    try:
        if output.exists() and any(entry.name != UNFINISHED for entry in output.iterdir()):
            what = "the directory is not empty"
    except OSError as error:
        what = error.strerror or str(error)
    if what:
        raise ConfigError((Problem("--output", str(output), what, "name a new or empty directory"),))


def _refuse(config: Config, engine: Engine, flags: Flags, projects: Sequence[Project]) -> None:
    """Raise ConfigError where runs are counted already."""
    counted = history.counted(engine.state, [project.slug for project in projects])
    if counted and not flags.restart_counters:
        what = f"{config.state.path} already counts the runs of {_names(sorted(counted))}"
        hint = (
            "Backfill comes before the first `run`. With --restart-counters it discards these counters and starts them "
            "again from the runs that it reads. Before you load its files, delete the old series from Prometheus: "
            "old and new values mixed make increase() wrong."
        )
        raise ConfigError((Problem(config.file, "state.path", what, hint),))


def _say_restart(engine: Engine, projects: Sequence[Project]) -> None:
    counted = history.counted(engine.state, [project.slug for project in projects])
    if counted:
        click.echo(
            f"Restarting counters: when all runs are read, the counters of {_names(sorted(counted))} are discarded "
            "and start again from the runs of the last days. Counters of jobs and pipelines start at 0. Delete the old "
            "series from Prometheus before you load the files.",
            err=True,
        )


def _names(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _read(
    engine: Engine, spool: Spool, projects: Sequence[Project], start: int, log: Logger, *, plain: bool
) -> list[Unread]:
    with _bar() if plain else _lines(log) as told:
        reader = Reader(spool, engine.attempts, start, told, at_once=engine.polls_at_once)
        unread = reader.read(projects)
    if reader.left_out:
        log.warning(
            "fields could not be read; runs without an id, creation or status are left out", fields=reader.left_out
        )
    return unread


@contextmanager
def _bar() -> Iterator[Callable[[reading.Progress], None]]:
    """A bar with the time left, for a person."""
    columns = (
        TextColumn("reading runs"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[runs]} runs, time left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, runs=0)
        yield lambda so_far: bar.update(task, total=so_far.total, completed=so_far.workflows, runs=so_far.runs)


@contextmanager
def _lines(log: Logger) -> Iterator[Callable[[reading.Progress], None]]:
    """A line now and then, for a log."""
    began = told_at = time.monotonic()

    def told(so_far: reading.Progress) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= TELL_EVERY or so_far.workflows == so_far.total:
            told_at = now
            share = so_far.workflows / max(so_far.total, 1)
            left = (now - began) * (1 - share) / share if share else None
            log.info(
                "reading runs",
                percent=round(100 * share, 1),
                workflows=so_far.total,
                runs=so_far.runs,
                seconds_left=left and round(left),
            )

    yield told


def _tell_unread(unread: Sequence[Unread], log: Logger, *, plain: bool) -> None:
    for what, why in unread:
        if plain:
            click.echo(f"{what}: {why}", err=True)
        else:
            log.error("could not be read", what=what, error=why)
    if plain:
        click.echo(
            "Nothing was written, because not everything could be read. What was read is kept for a day: "
            "run the same command again to continue.",
            err=True,
        )
    else:
        log.error("nothing was written; run the same command again to continue", unread=len(unread))


def _next(written: history.Written, flags: Flags, asked: history.Asked) -> None:
    """Print what to do with the files, and what to mind before that."""
    folder = written.files[0].parent
    output = shlex.quote(str(flags.output if flags.output.absolute() == folder else folder))
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
            f"Warning: {written.cut} series are beyond max_series. They are not in the files, and `run` drops them too.",
            err=True,
        )
    for warning in _warnings(flags.prometheus, asked.labels, asked.days):
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
        yield f"{prometheus} did not tell its retention: {error}. {at_least}"
        return
    if kept is not None and kept < days * DAY:
        yield f"this Prometheus keeps {kept / DAY:g} days and deletes older blocks at once. {at_least}"
