"""What the tables need of a database: SQLite or PostgreSQL.

Statements are written once, with `?` in the place of values, in the words that both understand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """Runs statements. One thread at a time may use it."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Iterable[Any]:
        """Run a statement; gives the rows that it found, each a tuple."""

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> object:
        """Run a statement that returns nothing once for each of some values."""


class Database(Protocol):
    """A connection, its transactions, and whether what is written there lasts."""

    name: str
    """What it is called in errors, such as `the state file`."""
    errors: type[Exception]
    """What its statements raise."""
    outages: tuple[type[Exception], ...]
    """Those of them that tell nothing about a record that was being read."""
    lasting: bool
    """Whether it could be opened for writing at all."""

    @property
    def connection(self) -> Connection: ...

    @property
    def is_shared(self) -> bool:
        """Whether other processes use it too, each for its own projects."""

    @property
    def keeps(self) -> bool:
        """Whether anything is kept when the process ends."""

    @property
    def is_older(self) -> bool:
        """Whether commits that were made to it are missing, as after restoring a backup."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is written meanwhile, all of it or, after an exception, nothing. Raises one of `errors`."""

    def begin_again(self, *, whole: bool) -> None:
        """Note, within a transaction, that what was counted is forgotten since commits are missing."""

    def view(self) -> AbstractContextManager[None]:
        """Read meanwhile what belongs together, as of one moment. Raises one of `errors`.

        What is deleted meanwhile goes afterwards, in a transaction.
        """

    def version(self, after: int, /) -> int:
        """Return the version of a hint that comes after another, 0 for none."""

    def failed(self, error: Exception) -> None:
        """Show that it cannot be written now."""

    def succeeded(self) -> None:
        """Show that all that had to be written was."""

    def close(self) -> None: ...


def single(rows: Iterable[Any]) -> Any:  # noqa: ANN401  a tuple or None; whoever wrote the statement knows its columns
    """The row of a statement that finds one; None where it found none."""
    return next(iter(rows), None)
