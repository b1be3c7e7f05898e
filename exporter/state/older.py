"""Counting anew from 0, where the state lacks commits that were made: a backup was restored, or a failover lost some.

Counters that fell to what they were then would rise again, and Prometheus would add that a second time.
"""

from __future__ import annotations

from collections.abc import Callable

from structlog.stdlib import BoundLogger

from exporter.errors import StateError
from exporter.state import run_tables, usage_store
from exporter.state.access import Access
from exporter.telemetry import Telemetry


class Older:
    """Forgets what was counted, and says so. What could not be forgotten yet is neither shown nor counted on."""

    def __init__(self, access: Access, telemetry: Telemetry, log: BoundLogger, mine: Callable[[str], bool]) -> None:
        """Of a database that is shared, `mine` are the slugs of this process, "" stands for what one of all shows."""
        self._access, self._telemetry, self._log, self._mine = access, telemetry, log, mine
        self._said = False

    def begin_again(self) -> None:
        """Forget it now or, in a file that cannot be written now, before anything else is written.

        Raises StateError where others share the database.
        """
        database = self._access.database
        self._access.before = self._forget
        try:
            with self._access.transaction():
                pass
        except database.errors as error:
            database.failed(error)
            if database.is_shared:
                raise StateError(f"{database.name}: {' '.join(str(error).split())}") from None

    def _forget(self) -> None:
        database, connection, whole = self._access.database, self._access.connection, self._mine("")
        server = self._access.server if database.is_shared else None
        forgotten = run_tables.forget_all(connection, server, self._mine)
        if whole:
            forgotten += usage_store.forget_all(connection, server)
        database.begin_again(whole=whole)
        if (forgotten or database.is_shared) and not self._said:
            self._said = True
            self._telemetry.state_older.inc()
            self._log.error(f"{database.name} is older than the one used last; run counters start at 0")
