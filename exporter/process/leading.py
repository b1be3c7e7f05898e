"""Which of several replicas on a database leads: whoever has the lease reads the state, serves it, and lets go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.errors import ConfigError, ExporterError
from exporter.formats.deflate import Joined, fragment
from exporter.formats.exposition import EOF
from exporter.telemetry import StandbyTelemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.process.keeper import Keeper
    from exporter.process.lease import Lease
    from exporter.process.term import Term
    from exporter.system.logs import Logger

RETRY = 1.0
LONGEST_RETRY = 8.0


class Leader:
    """Leads whenever this replica has the lease; a thread of its own acquires, reads, serves and releases."""

    def __init__(self, keeper: Keeper, begin: Callable[[Lease], Term], log: Logger) -> None:
        """`begin` makes a term that knows nothing yet."""
        self._keeper, self._begin, self._log = keeper, begin, log
        self.steady = threading.RLock()
        """Whoever holds it has the term of now until it lets go."""
        self.current: Term | None = None
        """What was read under the newest lease; whether it may be shown now, `shown` says."""

    @property
    def shown(self) -> Term | None:
        """What may be shown, and changed: None once another may lead, also right after a pause of this process."""
        term = self.current
        return term if term is not None and term.lease is not None and term.lease.holds() else None

    def start(self, ended: Callable[[], None]) -> None:
        """Ask for the lease from now on. `ended` is called when this replica leads never again."""
        self._keeper.start()
        threading.Thread(target=self._run, args=(ended,), name="leading", daemon=True).start()

    def stop(self) -> None:
        """Lead no longer, end the term, and release the lease."""
        self._keeper.stop()
        self._show(None)

    def _run(self, ended: Callable[[], None]) -> None:
        while (lease := self._keeper.acquire()) is not None:
            pause = RETRY
            while not lease.over:
                if self._read(lease):
                    pause = RETRY
                    self._serve(lease)
                else:
                    self._keeper.wait(lease, pause)
                    pause = min(pause * 2, LONGEST_RETRY)
                # What this replica has sent is over then, or refused: what is read after it is all there is. After a
                # failure, the database may be another than when the lease was acquired.
                self._keeper.acquire_again(lease)
            self._show(None)
        ended()

    def _read(self, lease: Lease) -> bool:
        """Read the state and begin a term in place of the one before; False where that failed."""
        if lease.lapsed:
            return False
        with self.steady:
            try:
                term = self._begin(lease)
                term.restore()
            except ConfigError as error:
                self._log.error("the configuration cannot be used", error=str(error))
                return False
            except ExporterError as error:
                self._log.error("the database could not be read", error=str(error))
                return False
            except Exception:  # noqa: BLE001  a defect ends one attempt, not the replica
                self._log.exception("unexpected error while the database was read")
                return False
            self._show(term)
            if lease.over:
                return False
            term.start()
        return True

    def _serve(self, lease: Lease) -> None:
        """Until the lease is over, or all has to be read again: until that was done, what is known stays shown."""
        while not lease.over:
            why = lease.outdated or (self.current.stale if self.current else "")
            if why:
                self._log.warning("reading the database again", why=why)
                return
            self._keeper.wait(lease, RETRY)

    def _show(self, term: Term | None) -> None:
        """End the term of before, now that another can be shown, or none."""
        before, self.current = self.current, term
        if before is not None:
            before.stop()
            before.close()


class Standby:
    """What a replica shows while it does not lead: its own process, and nothing of CircleCI."""

    def __init__(self) -> None:
        self._telemetry = StandbyTelemetry(__version__)

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        body = self._telemetry.render(openmetrics=openmetrics) + (EOF if openmetrics else b"")
        if not gzip:
            return (body,), len(body)
        pieces = Joined().followed_by([fragment(body)]).member()
        return pieces, sum(map(len, pieces))
