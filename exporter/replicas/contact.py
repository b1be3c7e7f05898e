"""Whether the database can be reached, and what the log says of it: once when that changes."""

from __future__ import annotations

from structlog.stdlib import BoundLogger

from exporter.state.postgres.login import BusyError, UnreachableError


class Contact:
    """That of one replica, by what became of its newest statement."""

    def __init__(self, log: BoundLogger) -> None:
        self._log = log
        self._waits = False
        self.reachable = True

    def lost(self, error: UnreachableError) -> None:
        """A statement failed; one that only waits for others tells nothing of the way to the database."""
        if isinstance(error, BusyError):
            if not self._waits:
                self._log.info("waiting for what is under way in the database", error=str(error))
            self._waits = True
            return
        if self.reachable:
            self._log.error("the database cannot be reached", error=str(error))
        self.reachable = False

    def made(self) -> None:
        if not self.reachable:
            self._log.info("the database can be reached again")
        self.reachable = True

    def waits_no_more(self) -> None:
        self._waits = False
