"""Keeps the lines that are shown beside the state file, for the next start of a process with a large fleet."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from exporter.publishing.kept import NOTHING, Kept, read, written
from exporter.state.lines_file import LinesFile
from exporter.system import own_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.process.engine import Engine

EVERY = 3600.0
"""Seconds between two times, for the start after a crash; a stop always writes them."""


class KeptLines:
    """The lines of an earlier process, and those of this one. Any thread may use it."""

    def __init__(self, engine: Engine, path: Path | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`path` is that of the state file, or None where it cannot be written."""
        self._store, self._monotonic, self._lock = engine.store, monotonic, threading.Lock()
        self._file = LinesFile(path, own_code.digest(), engine.telemetry, engine.log)
        self._due = monotonic()

    def read(self) -> Kept:
        return self._file.read(read, NOTHING)

    def write(self) -> None:
        with self._lock:
            self._file.write(lambda: written(self._store.shown()))
            self._due = self._monotonic() + EVERY

    def write_hourly(self) -> None:
        if self._monotonic() >= self._due:
            self.write()
