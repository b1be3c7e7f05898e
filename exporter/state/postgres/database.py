"""The shared database as the tables see it: every transaction is fenced by the lease of this replica."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from structlog.stdlib import BoundLogger

from exporter.state.postgres import dialect
from exporter.state.postgres.lease_table import Acquired, fence, nothing_lacks, number
from exporter.state.postgres.link import Link, Rows
from exporter.state.postgres.login import words
from exporter.telemetry import Telemetry

CHUNK: Final = 128 * 1024
"""Characters of statements that are sent at once. With more the server would end the transaction as idle."""
IDLE_SHARE: Final = 0.3
"""A transaction whose client has been silent for this share of a lease is ended."""
VIEW: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL idle_in_transaction_session_timeout = '10min'",  # it holds up nobody
)


class Refused(psycopg.OperationalError):
    """This replica may not write now."""


class Postgres:
    """The database during one term. One thread at a time may use it.

    Statements of a transaction are sent with the next one that returns rows, or with the commit.
    """

    name = "the database"
    errors: type[Exception] = psycopg.Error
    outages: tuple[type[Exception], ...] = (psycopg.Error,)
    lasting = True
    keeps = True
    is_shared = True

    def __init__(
        self,
        link: Link,
        acquired: Acquired,
        telemetry: Telemetry,
        log: BoundLogger,
        *,
        lease: float,
        leads: Callable[[], bool],
        seen: Callable[[int], None] = lambda _commits: None,
    ) -> None:
        """`leads` says whether the lease still holds, as far as this replica can know; `lease` is in seconds.

        `seen` is told the number of each commit.
        """
        self._link, self._hold, self._leads, self._seen = link, acquired.hold, leads, seen
        self._telemetry, self._log = telemetry, log
        idle = max(1, int(lease * IDLE_SHARE * 1000))
        self._begin = ("BEGIN", f"SET LOCAL idle_in_transaction_session_timeout = {idle}")
        self._failing = self._within = self._begun = self._begins_again = False
        self._waiting: list[str] = []
        self._last = ""
        self._after_view: list[str] | None = None
        self._size = self._number = 0
        self._commits, self.is_older = acquired.commits, acquired.lacking
        self.stale = ""
        """Why it may hold something else than this process knows, so that all must be read again before it counts."""
        telemetry.state_writable.set(1)

    @property
    def connection(self) -> Postgres:
        return self

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Run a statement, or keep it for the next round trip of its transaction; one that writes always has one."""
        written = self._link.write(statement, values)
        if self._within:
            if dialect.reads(statement):
                return self._send(written)[-1]
            self._keep(written)
        elif dialect.reads(statement):
            if self._after_view is not None:
                self._verify()
            return self._link.run(written)[0]
        elif self._after_view is not None:
            self._after_view.append(written)
        else:
            with self.transaction():
                self._keep(written)
        return []

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> None:
        for each in values:
            self.execute(statement, each)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is written meanwhile, all of it or, after an exception, nothing. Raises psycopg.Error."""
        if not self._leads():
            raise Refused("this replica does not lead")
        if self.stale:
            raise Refused("it has to be read again first")
        self._within, self._begun = True, False
        try:
            yield
            if not self._begun:
                self._send()
            self._commit()
        except BaseException as error:
            if isinstance(error, psycopg.IntegrityError):
                self.stale = "another replica has counted the same"
            self._link.roll_back()
            raise
        finally:
            self._within, self._waiting, self._size, self._begins_again = False, [], 0, False

    @contextmanager
    def view(self) -> Iterator[None]:
        """Read as of one moment, whatever is committed meanwhile; write afterwards, fenced. Raises psycopg.Error."""
        self._link.run(*VIEW)
        self._number, self._after_view = self._link.number, []
        try:
            yield
            self._verify()
            self._link.run("COMMIT")
        except BaseException:
            self._link.roll_back()
            raise
        finally:
            later, self._after_view = self._after_view, None
        if later:
            with self.transaction():
                for written in later:
                    self._keep(written)

    def begin_again(self, *, whole: bool) -> None:
        """Note, within a transaction, that what was counted in an older copy is forgotten: `whole` for all shards."""
        self._begins_again = True
        self._keep(nothing_lacks(self._link, self._hold.place))
        if whole:
            self.execute("DELETE FROM webhook WHERE server = ?", (self._hold.place.server,))

    def version(self, _after: int) -> int:
        """The next version of a hint: of all replicas together, so that no two writers take the same."""
        return int(self._link.run("SELECT nextval('hint_version')")[0][0][0])

    def failed(self, error: Exception) -> None:
        self._telemetry.state_writable.set(0)
        if not self._failing:
            self._failing = True
            self._log.error(
                "the database cannot be written; values are served from memory until then", error=words(error)
            )

    def succeeded(self) -> None:
        if self._failing:
            self._failing = False
            self._telemetry.state_writable.set(1)
            self._log.info("the database can be written again")

    def show_reachable(self, reachable: bool) -> None:
        """Show that it cannot be written while it cannot be reached, even if there is nothing to write."""
        self._telemetry.state_writable.set(float(reachable and not self._failing))

    def close(self) -> None:
        self._link.close()

    def _keep(self, written: str) -> None:
        self._waiting.append(written)
        self._size += len(written)
        if self._size > CHUNK:
            self._send()

    def _send(self, *last: str) -> list[Rows]:
        """Send what waits. The first time the transaction begins, with the lease's row locked against others."""
        begin: tuple[str, ...] = ()
        if self._begun:
            self._verify()
        else:
            begin = (*self._begin, fence(self._link, self._hold, "commits, lacking"))
            self._last = number(self._link, self._hold)
            self._number = self._link.number
        found = self._link.run(*begin, *self._waiting, *last)
        self._waiting, self._size = [], 0
        if begin:
            self._judge(found[len(begin) - 1])
        self._begun = True
        return found

    def _judge(self, lease: Rows) -> None:
        """Go on only if the lease is this term's, and the newest commit too."""
        if not lease:
            raise Refused("another replica has taken the lease")
        [(commits, lacking)] = lease
        if (commits, lacking) != (self._commits, self.is_older):
            self.stale = "the database lacks commits"
            self._seen(max(commits, self._commits) + 1)  # so that it lacks commits for whoever leads next
            raise Refused("it lacks commits that were made: it is an older copy")

    def _commit(self) -> None:
        if not self._leads():
            raise Refused("this replica does not lead any more")
        self._verify()
        try:
            self._link.run(*self._waiting, self._last, "COMMIT")
        except psycopg.Error:
            # The server has said of a failed statement that nothing was committed; of a failed commit nobody has.
            if not self._link.in_failed_transaction:
                self.stale = "a commit has an unknown end"
            raise
        self._commits += 1
        self.is_older = self.is_older and not self._begins_again
        self._seen(self._commits)

    def _verify(self) -> None:
        if not self._link.is_open or self._link.number != self._number:
            raise psycopg.OperationalError("the connection was lost")
