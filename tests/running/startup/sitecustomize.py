"""What is otherwise with a process whose PYTHONPATH has this folder; see `tests.running.altered`.

SKEW: by how many seconds its clock is wrong. DIES: a file; while it is there, the process ends in the transaction of
SQLite that the file tells, counted from when it came to be there.
"""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

_right, _skew = time.time, float(os.environ.get("SKEW", "0"))
if _skew:
    time.time = lambda: _right() + _skew


class _Mortal(sqlite3.Connection):
    """A connection that may end its process, which must not go on in another thread meanwhile."""

    _transactions = _statements = 0

    def execute(self, statement: str, *given: Any) -> sqlite3.Cursor:
        found = super().execute(statement, *given)
        if statement == "COMMIT":
            self._reach("committed")
        return found

    def trace(self, statement: str) -> None:
        """Called as a statement begins."""
        if not _DIES.exists():
            self._transactions = 0
        elif statement.startswith("BEGIN"):
            self._transactions, self._statements = self._transactions + 1, 0
        elif self._transactions:
            self._statements += 1
            self._reach(self._statements)
            if statement == "COMMIT":
                self._reach("commit")

    def _reach(self, place: int | str) -> None:
        if not self._transactions:
            return
        transaction, ends = json.loads(_DIES.read_text())
        # A short transaction is over before that statement: then it ends as it commits.
        if self._transactions == transaction and (place == ends or (place == "commit" and isinstance(ends, int))):
            _DIES.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def _connect(*given: Any, **named: Any) -> sqlite3.Connection:
    connection = _plainly(*given, factory=_Mortal, **named)
    connection.set_trace_callback(connection.trace)
    return connection


if "DIES" in os.environ:
    _DIES, _plainly = Path(os.environ["DIES"]), sqlite3.connect
    sqlite3.connect = _connect  # type: ignore[assignment]
