"""Noticing that the state file is an older one than was used last: a backup that was put back.

Each commit has a number, in the state file and in a small file beside it. Where the one beside knows a later
commit, counters would fall to what they were then, and Prometheus would add what they rise by a second time.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from structlog.stdlib import BoundLogger

SCHEMA = ("CREATE TABLE generation (number INTEGER NOT NULL)",)
SUFFIX = ".generation"
_DIGITS = 20
_MOST = 2**62  # SQLite holds integers below 2**63


class Generation:
    """The number of the newest commit. One thread at a time may use it."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, log: BoundLogger) -> None:
        """Compare the state file at `path`, or none, with the file beside it."""
        self._connection, self._log = connection, log
        (kept,) = connection.execute("SELECT max(number) FROM generation").fetchone()
        self.number = kept if isinstance(kept, int) and 0 <= kept < _MOST else 0
        """That of the newest commit."""
        self._beside: int | None = None
        self.is_older = False
        """Whether the state file lacks commits that were made to it."""
        if path is not None:
            self._compare(f"{path}{SUFFIX}")

    def advance(self) -> None:
        """Number the commit that is under way."""
        self._connection.execute("DELETE FROM generation")
        self._connection.execute("INSERT INTO generation (number) VALUES (?)", (self.number + 1,))

    def committed(self) -> None:
        """Note beside the file that it was committed."""
        self.number += 1
        if self._beside is not None:
            try:
                os.pwrite(self._beside, b"%0*d" % (_DIGITS, self.number), 0)
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        if self._beside is not None:
            os.close(self._beside)
            self._beside = None

    def _compare(self, beside: str) -> None:
        try:
            self._beside = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
            written = os.pread(self._beside, _DIGITS, 0)
        except OSError as error:
            self._give_up(error)
            return
        newest = int(written) % _MOST if written.isdigit() else 0
        self.is_older = self.number < newest
        self.number = max(self.number, newest)

    def _give_up(self, error: OSError) -> None:
        """A file beside that is behind says nothing wrong: an older state file may go unnoticed."""
        self.close()
        self._log.error(
            "the file beside the state file cannot be written; a restored backup may go unnoticed", error=str(error)
        )
