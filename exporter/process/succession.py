"""Reigns of one replica, one after another: each begins with the lease and what the database knows."""

from __future__ import annotations

import threading
from collections.abc import Callable

from exporter.errors import ConfigError, ExporterError
from exporter.process.reign import Reign
from exporter.replicas import Keeper, SharedState
from exporter.state.postgres.lease_table import Hold, Taken
from exporter.state.postgres.login import Login
from exporter.system.logs import Logger

RETRY = 1.0
LONGEST_RETRY = 8.0


class Succession:
    """The reign of now, if this replica leads, begun and ended in a thread of its own."""

    def __init__(
        self, keeper: Keeper, login: Login, lease: float, begin: Callable[[SharedState], Reign], log: Logger
    ) -> None:
        """`begin` reads the state and makes a reign that does not run yet."""
        self._keeper, self._login, self._lease, self._begin, self._log = keeper, login, lease, begin, log
        self._changed = threading.Condition()
        self.steady = threading.RLock()
        """Whoever holds it has the reign of now until it lets go."""
        self._taken: Taken | None = None
        self._stopped = False
        self.current: Reign | None = None
        keeper.taken, keeper.lost, keeper.outdated = self._note, lambda: self._note(None), self._begin_anew

    def start(self) -> None:
        """Ask for the lease from now on."""
        self._keeper.start()
        threading.Thread(target=self._run, name="succession", daemon=True).start()

    def stop(self) -> None:
        """Lead no longer, end the reign, and give the lease back."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._keeper.stop()
        self._end()

    def _note(self, taken: Taken | None) -> None:
        with self._changed:
            self._taken = taken
            self._changed.notify_all()

    def _begin_anew(self, why: str) -> None:
        """Begin another reign.

        What this one shows stays until all was read again. It can commit nothing meanwhile, and what it has sent is
        over, or refused, once the lease is taken again: what is read then is all there is.
        """
        self._log.warning("reading the database again", why=why)
        self._keeper.begin_anew()

    def _run(self) -> None:
        served: Hold | None = None
        asked: Hold | None = None
        failed: Hold | None = None
        pause = RETRY
        while not self._stopped:
            taken = self._taken
            if taken is None:
                self._end()
                served = None
            elif taken.hold == failed:  # the database may be another than when the lease was taken
                self._keeper.begin_anew()
            elif taken.hold != served:
                if served is None or not self._keeper.leads(served):
                    self._end()
                good = self._read(taken)
                served, failed = (taken.hold, None) if good else (served, taken.hold)
                pause = RETRY if good else min(pause * 2, LONGEST_RETRY)
            elif self.current is not None and self.current.stale and asked != served:
                self._begin_anew(self.current.stale)
                asked = served
            with self._changed:
                if self._taken == taken and not self._stopped:
                    self._changed.wait(pause)

    def _read(self, taken: Taken) -> bool:
        """Read the state and begin a reign in place of the one before; False where that failed."""
        shared = SharedState(self._keeper, taken, self._login, self._lease)
        if not shared.leads():
            return False
        with self.steady:
            try:
                reign = self._begin(shared)
            except ConfigError as error:
                self._log.error("the configuration cannot be used", error=str(error))
                return False
            except ExporterError as error:
                self._log.error("the database could not be read", error=str(error))
                return False
            except Exception:  # noqa: BLE001  a defect ends one attempt, not the replica
                self._log.exception("unexpected error while the database was read")
                return False
            before, self.current = self.current, reign
            if before is not None:
                before.stop()
                before.close()
            if self._stopped:
                self._end()
                return False
            reign.start()
        return True

    def _end(self) -> None:
        reign, self.current = self.current, None
        if reign is not None:
            reign.stop()
            reign.close()
