"""The state file as a whole: its transactions, each of them numbered, and whether it can be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from structlog.stdlib import BoundLogger

from exporter.state import opening
from exporter.state.generation import Generation
from exporter.telemetry import Telemetry

_LEFT_OVER = (".lines", ".lines.new")
"""Files that an earlier version kept beside it."""


class StateFile:
    """One connection, to the file or, without one, to memory. One thread at a time may use it.

    `lasting` is False when the file could not be opened for writing at all.
    """

    name = "the state file"
    errors: type[Exception] = sqlite3.Error
    outages: tuple[type[Exception], ...] = ()
    is_shared = False

    def __init__(self, path: Path | None, telemetry: Telemetry, log: BoundLogger) -> None:
        """Open it. Raises StartError as `opening.connect` does."""
        self.path, self._telemetry, self._log = path, telemetry, log
        self.connection, self.lasting = opening.connect(path, telemetry, log)
        if path is not None:
            for suffix in _LEFT_OVER:
                with suppress(OSError):
                    Path(f"{path}{suffix}").unlink()
        self._generation = Generation(self.connection, path if self.lasting else None, log)
        self.keeps, self.is_older = path is not None, self._generation.is_older
        self._failing = not self.lasting
        telemetry.state_writable.set(float(self.lasting))

    def close(self) -> None:
        self._generation.close()
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is written meanwhile, all of it or, after an exception, nothing. Raises sqlite3.Error."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._generation.advance()
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite has ended some that failed
                self.connection.execute("ROLLBACK")
            raise
        self._generation.committed()

    def begin_again(self, *, whole: bool) -> None:
        """Each commit is numbered, and so is this one."""

    @contextmanager
    def view(self) -> Iterator[None]:
        """Read meanwhile: nobody else writes to the file."""
        yield

    def version(self, after: int) -> int:
        return after + 1

    def failed(self, error: Exception) -> None:
        with suppress(sqlite3.Error):  # on a small disk it may be the log beside the file that fills it
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._telemetry.state_writable.set(0)
        if not self._failing:
            self._failing = True
            self._log.error(
                "the state file cannot be written; values are served from memory until then", error=str(error)
            )

    def succeeded(self) -> None:
        if self._failing and self.lasting:
            self._failing = False
            self._telemetry.state_writable.set(1)
            self._log.info("the state file can be written again")
