"""`backfill`: what it checks before it reads, and the order of its work."""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from exporter.cli import backfill_telling as telling
from exporter.cli.once import found
from exporter.config import Config, Project, mine
from exporter.errors import ConfigError, Problem, StartError, StateError, Stopped
from exporter.history import backfill as history
from exporter.history.files import UNFINISHED
from exporter.history.grid import DAY
from exporter.history.lines import OWN_LABELS
from exporter.history.reading import Reader, Unread
from exporter.history.spool import Spool
from exporter.insights.collectors import ORGANIZATIONS, RUNS
from exporter.polling.attempt import SYSTEM_CLOCKS, Clocks
from exporter.process.engine import Engine
from exporter.system.signals import on_signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exporter.history.reading import Progress
    from exporter.process.lease import Lease
    from exporter.system.logs import Logger

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of the command."""

    output: Path
    days: int
    step: float
    labels: tuple[str, ...]
    restart_counters: bool
    prometheus: str | None
    shard: int = 0
    total_shards: int = 1


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
    with _leading(config, flags, log) as lease:
        if lease is not None:
            clocks = Clocks(lease.keeper.time.wall, clocks.monotonic)
        shard, shards = flags.shard, flags.total_shards
        engine = Engine(config, log, shard=shard, total_shards=shards, environ=environ, clocks=clocks, lease=lease)
        signaled = threading.Event()
        on_signals(dict.fromkeys((signal.SIGTERM, signal.SIGINT), lambda: _stop(signaled, engine)))
        try:
            return _Backfill(config, flags, asked, engine, log, plain).do()
        except StateError as error:
            raise StartError(str(error)) from None
        except Stopped:
            if signaled.is_set():
                telling.stopped(log, plain=plain)
                raise
            raise StartError("the lease was lost; run the same command again to continue") from None
        finally:
            engine.close()


def _stop(signaled: threading.Event, engine: Engine) -> None:
    signaled.set()
    engine.stop.set()


def _leading(config: Config, flags: Flags, log: Logger) -> AbstractContextManager[Lease | None]:
    """The lease of a shared state; nothing where the state is a file. Raises StartError without the driver."""
    if config.state.url is None:
        return nullcontext()
    try:
        from exporter.process.replica import leading  # noqa: PLC0415  its driver is an extra
    except ImportError as error:
        raise StartError(f"state.url: {error}; install circleci-insights-exporter[postgres]") from None
    return leading(config, flags.shard, flags.total_shards, log)


@dataclass(frozen=True, slots=True)
class _Backfill:
    """One call: with what, and how it tells of it."""

    config: Config
    flags: Flags
    asked: history.Asked
    engine: Engine
    log: Logger
    plain: bool

    def do(self) -> bool:
        """Go on from what an earlier call left, if it left something."""
        engine = self.engine
        if not engine.state.lasting:
            raise StartError(f"{self._place}: cannot be written")
        spool, resumed = self._open()
        try:
            if self.flags.restart_counters and history.lost(spool):
                spool.forget()
                spool.close()
                spool, resumed = self._open()
            if not history.committed(spool, engine.state) and not self._anew(spool, resumed=resumed):
                return False
            telling.next_steps(history.finish(spool), self.asked, self.flags.output, self.flags.prometheus)
            return True
        finally:
            spool.close()

    @property
    def _place(self) -> str:
        """Where the state is, as it may be printed."""
        return str(self.config.state.path or self.config.state.url)

    def _open(self) -> tuple[Spool, bool]:
        """What was read, beside the state file, or beside the output where the state is a database."""
        path = self.config.state.path or self.asked.output.absolute()
        beside, server = path.with_name(f"{path.name}.backfill"), self.config.circleci.api_url
        shard = f"{self.flags.shard} of {self.flags.total_shards}"
        return Spool.open(beside, server=server, days=self.asked.days, now=self.engine.clocks.wall(), shard=shard)

    def _anew(self, spool: Spool, *, resumed: bool) -> bool:
        """Read, write and commit; returns whether all could be read."""
        self._refuse(mine(self.config.projects, self.flags.shard, self.flags.total_shards))
        _folder(self.asked.output)
        projects = self._projects()
        self._refuse(projects)
        if self.flags.restart_counters and (counted := self._counted(projects)):
            telling.restart(counted)
        if resumed:
            click.echo(f"Continuing: {spool.count():,} runs were read before.", err=True)
        self.engine.labels.reserve(projects)
        start = int(spool.get("asked")["began"] - self.asked.days * DAY)
        if unread := self._read(spool, projects, start):
            telling.unread(unread, self.log, plain=self.plain)
            return False
        self._write(spool, projects, start)
        return True

    def _counted(self, projects: Sequence[Project]) -> list[str]:
        return sorted(history.counted(self.engine.state, [project.slug for project in projects]))

    def _refuse(self, projects: Sequence[Project]) -> None:
        """Raise ConfigError where runs are counted already."""
        counted = self._counted(projects)
        if counted and not self.flags.restart_counters:
            what = f"{self._place} already counts the runs of {telling.names(counted)}"
            raise ConfigError.of(self.config.file, "state.path", what, telling.REFUSED)

    def _projects(self) -> tuple[Project, ...]:
        """The projects whose runs are counted, those of organizations included. Raises ConfigError without one."""
        projects, searched = found(self.engine, self.config, self.flags.shard, self.flags.total_shards)
        projects = tuple(project for project in projects if RUNS in project.collectors)
        if searched and not projects:
            what = "no project has the collector runs"
            raise ConfigError.of(self.config.file, "", what, "add it to collectors")
        return projects

    def _read(self, spool: Spool, projects: Sequence[Project], start: int) -> list[Unread]:
        """Read all runs; returns what could not be read. Raises StartError where what was read cannot be kept."""
        engine = self.engine
        with telling.shown("reading runs", self.log, plain=self.plain) as told:
            reader = Reader(spool, engine.attempts, start, told)
            unread = reader.read(projects)
        if spool.error:
            raise StartError(spool.error)
        if reader.left_out:
            what = "fields could not be read; runs without an id, creation or status are left out"
            self.log.warning(what, fields=reader.left_out)
        searches = [(slug, each.outcomes[ORGANIZATIONS]) for slug, (each, _) in engine.store.organizations.items()]
        return unread + [Unread(slug, outcome.error) for slug, outcome in searches if not outcome.success]

    def _write(self, spool: Spool, projects: Sequence[Project], start: int) -> None:
        """Write the files and commit the ledgers. Raises StartError, or Stopped before the commit."""
        engine = self.engine
        date, now = engine.client.date(), engine.clocks.wall()
        until = now if date is None else min(now, date)
        writing = history.Writing(self.asked, spool, engine.state, engine.labels, start=start, now=until)
        with telling.shown("writing files", self.log, plain=self.plain) as told:

            def passed(so_far: Progress) -> None:
                if engine.stop.is_set():
                    raise Stopped
                told(so_far)

            counting = writing.stage(projects, passed)
        writing.commit(counting)


def _asked(config: Config, flags: Flags) -> history.Asked:
    """What is to be done. Raises ConfigError with all that is wrong with it."""
    problems = []
    if config.state.path is None and config.state.url is None:
        hint = "set it: `run` continues from the counters that backfill leaves there"
        problems.append(Problem(config.file, "state.path", "there is no state file or database", hint))
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
    """Raise ConfigError unless the directory is empty or can be made, and can be written: before hours of reading."""
    what = ""
    try:
        if output.exists() and any(entry.name != UNFINISHED for entry in output.iterdir()):
            what = "the directory is not empty"
        else:
            there = next(each for each in (output, *output.absolute().parents) if each.exists())
            with TemporaryDirectory(dir=there):
                pass
    except OSError as error:
        what = error.strerror or str(error)
    if what:
        raise ConfigError.of("--output", str(output), what, "name a new or empty directory")
