"""Keeps the lines that are shown beside the state file, for the next start of a process with a large fleet.

Where neither the state nor the settings have changed since, and no line is too old, the next process shows them at once
and reads the state meanwhile.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.publishing.kept import NOTHING, Kept, Origin, read, written
from exporter.state.lines_file import LinesFile
from exporter.system import own_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.config import Config
    from exporter.process.engine import Engine
    from exporter.process.fixed import Options

EVERY = 3600.0
"""Seconds between two times, for the start after a crash; a stop always writes them."""


def settings_of(config: Config, options: Options, *, webhooks: bool) -> str:
    """What tells the settings of a process from all others; nothing where it shows or takes more than projects have."""
    if config.usage.organizations or webhooks:
        return ""
    return f"{config.digest} {options.shard} {options.total_shards}"


class KeptLines:
    """The lines of an earlier process, and those of this one. Any thread may use it."""

    def __init__(
        self,
        engine: Engine,
        as_at_a_start: Callable[[], bool],
        path: Path | None,
        settings: str = "",
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`as_at_a_start` tells whether another process would make the same of the state.

        `path` is that of the state file, or None where it cannot be written, `settings` what `settings_of` says.
        """
        self._as_at_a_start = as_at_a_start
        self._store, self._monotonic, self._lock = engine.store, monotonic, threading.Lock()
        self._state, self._wall, self.settings = engine.state, engine.clocks.wall, settings
        self._file = LinesFile(path, own_code.digest(), engine.telemetry, engine.log)
        self._due = monotonic()

    def read(self) -> Kept:
        """The lines of the process before, whole only if this one would show exactly these."""
        lines, origin = self._file.read(read, NOTHING), self._origin()
        whole = lines.whole
        if whole is None or (origin is not None and whole.holds(origin)):
            return lines
        newest = self._state.newest_commit
        if newest is not None and whole.origin.commit > newest:  # of another state; one day this one has that number
            self._file.delete()
        return replace(lines, whole=None)

    def write(self) -> None:
        with self._lock:
            self._file.write(lambda: written(self._shown()))
            self._due = self._monotonic() + EVERY

    def write_hourly(self) -> None:
        if self._monotonic() >= self._due:
            self.write()

    def _shown(self) -> Kept:
        """What is shown now; not whole if this changes meanwhile, or if another process would show something else."""
        origin = self._origin()
        if not self._as_at_a_start():
            origin = None
        lines, after = self._store.shown(origin), self._origin()
        if origin is not None and after is not None and origin.same(after):
            return lines
        return replace(lines, whole=None)

    def _origin(self) -> Origin | None:
        commit = self._state.newest_commit
        return Origin(commit, self.settings, self._wall()) if self.settings and commit is not None else None
