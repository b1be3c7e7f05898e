"""Keeps the lease of one replica: asks for it, renews it, gives it back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Final

from structlog.stdlib import BoundLogger

from exporter.errors import StartError
from exporter.replicas.clock import DatabaseClock, steady
from exporter.replicas.commits import Commits
from exporter.replicas.contact import Contact
from exporter.replicas.tenure import Tenure
from exporter.state.postgres import schema
from exporter.state.postgres.lease_table import Hold, LeaseTable, Place, Seen, Taken, fence
from exporter.state.postgres.login import BusyError, UnreachableError, first_contact, reach

ASK_EVERY: Final = 1.0
GIVE_BACK_SECONDS: Final = 2.0
PAUSES_DIFFER: Final = 1.0
"""Seconds; less is the clock's."""


class Keeper:
    """The lease of one place, kept by a thread. `leads` and `tenure` may be asked from any thread."""

    def __init__(
        self,
        table: LeaseTable,
        place: Place,
        log: BoundLogger,
        *,
        clock: Callable[[], float] = steady,
        wall: DatabaseClock | None = None,
    ) -> None:
        self._table, self._place, self._log, self._clock = table, place, log, clock
        self.wall = wall or DatabaseClock(clock)
        self._holder = uuid.uuid4().hex
        self._stop = threading.Event()
        self._hurry, self._anew = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._contact = Contact(log)
        self._paused_until: float | None = None
        self._lacking = False
        self.commits = Commits()
        self.tenure: Tenure | None = None
        self.reached = False
        """Whether the database was ever reached, and its tables are those of this version."""
        self.taken: Callable[[Taken], None] = lambda _taken: None
        """Told of a lease that was taken."""
        self.lost: Callable[[], None] = lambda: None
        """Told that the lease is lost."""
        self.outdated: Callable[[str], None] = lambda _why: None
        """Told why all must be read again, though it holds."""
        self.failed: Callable[[StartError], None] = lambda _error: None
        """Told why this replica can never lead."""

    @property
    def reachable(self) -> bool:
        return self._contact.reachable

    def leads(self, hold: Hold) -> bool:
        """Whether a lease that was taken still holds, as far as this replica can know."""
        tenure = self.tenure
        return tenure is not None and tenure.covers(hold) and tenure.leads(self._clock()) and not self._stop.is_set()

    def reach(self) -> bool:
        """Reach the database, and make its tables where there are none; False where there is no way to it now.

        Raises StartError where waiting does not help.
        """
        try:
            with first_contact():
                schema.make(self._table.link)
        except UnreachableError as error:
            self._lost_contact(error)
            return False
        self.reached = True
        return True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def take(self) -> bool:
        """Take the lease once, if it is free. Raises StartError or UnreachableError."""
        with reach():
            return self._take()

    def stop(self) -> None:
        """Lead no longer from this moment, and give the lease back; 2 s at most where the database is silent."""
        self._stop.set()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(GIVE_BACK_SECONDS)
        self._table.link.close()

    def begin_anew(self) -> None:
        """Take the lease again while it holds, so that whatever was sent so far is over; `taken` is told."""
        self._anew.set()
        self._hurry.set()

    def note_pause(self, until: float | None) -> None:
        """Keep with the lease until when CircleCI has asked for a pause, in Unix seconds: the next leader heeds it."""
        known = self._paused_until
        if until is not None and (known is None or abs(until - known) > PAUSES_DIFFER):
            self._paused_until = until
            self._hurry.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                pause = self._step()
            except StartError as error:
                self.failed(error)
                return
            self._hurry.wait(pause)
            self._hurry.clear()
        if self.tenure is not None:
            self._give_back(self.tenure.hold)

    def _step(self) -> float:
        """Do what is due; returns the seconds until the next step. Raises StartError."""
        tenure = self.tenure
        if tenure is None:
            if self.reached or self.reach():
                self._ask()
            return ASK_EVERY
        renewed = False
        try:
            with reach():
                renewed = self._retake(tenure) if self._anew.is_set() else self._renew(tenure)
        except UnreachableError as error:
            self._lost_contact(error)
            if isinstance(error, BusyError):
                self._renew_beside(tenure)
        current = self.tenure
        if current is None:
            return ASK_EVERY
        if not current.leads(self._clock()):
            self._lose("the lease could not be renewed in time")
            return 0.0
        return current.pause if renewed else current.retry

    def _renew_beside(self, tenure: Tenure) -> None:
        """Renew while a commit of unknown end goes on, which may take longer than the lease."""
        try:
            with reach():
                self._renew(tenure)
        except UnreachableError as error:
            self._lost_contact(error)

    def _ask(self) -> None:
        try:
            with reach():
                sent_at = self._clock()
                seen = self._table.look(self._place)
                self.wall.measured(seen.now, sent_at, self._clock())
                self._contact.made()
                self._compare(seen)
                if seen.is_free(self._place):
                    self._take()
                else:
                    self._contact.waits_no_more()
        except UnreachableError as error:
            self._lost_contact(error)

    def _compare(self, seen: Seen) -> None:
        """Note what a standby sees of commits; where some that it has seen before are lacking, let the leader know."""
        found = seen.newest.get(self._place[1:])
        known = self.commits.look(found) if found is not None else None
        if known is not None and self._table.note_lacking(self._place, known):
            self._log.error("the database lacks commits that were made: it is an older copy")

    def _take(self) -> bool:
        link = self._table.link
        schema.version(link)
        sent_at = self._clock()
        taken = self._table.take(self._place, self._holder, self.commits.newest.epoch)
        if taken is None:
            return False
        self.wall.measured(taken.now, sent_at, self._clock())
        guard = fence(link, taken.hold)
        if not schema.migrate(link, guard):
            return False
        schema.forget_if_restored(link, guard)
        self._log.info("leading", epoch=taken.hold.epoch)
        return self._begin(taken, Tenure.of(taken.hold, self._table.seconds, sent_at))

    def _retake(self, tenure: Tenure) -> bool:
        sent_at = self._clock()
        taken = self._table.retake(tenure.hold)
        if taken is None:
            self._lose("another replica has taken the lease")
            return False
        self.wall.measured(taken.now, sent_at, self._clock())
        self._contact.made()
        taken = taken._replace(paused_until=self._paused_until)
        return self._begin(taken, tenure.retaken(taken.hold, sent_at))

    def _begin(self, taken: Taken, tenure: Tenure) -> bool:
        self.tenure = tenure
        self._anew.set()  # where this fails, the lease is taken again
        begun = self._table.begin(taken, self.commits.newest.commits)
        if begun is None:
            self._lose("another replica has taken the lease")
            return False
        self._anew.clear()
        self._contact.waits_no_more()
        self._paused_until, self._lacking = begun.paused_until, begun.lacking
        self.commits.saw(begun.hold, begun.commits)
        self.taken(begun)
        return True

    def _renew(self, tenure: Tenure) -> bool:
        sent_at, known = self._clock(), self.commits.newest.commits
        found = self._table.renew(tenure.hold, self._paused_until)
        if found is None:
            self._lose("another replica has taken the lease")
            return False
        self.wall.measured(found.now, sent_at, self._clock())
        self.tenure = tenure.renewed(sent_at)
        self._contact.made()
        if not tenure.leads(self._clock()):
            self.outdated("the lease was renewed late")
        elif found.commits < known or (found.lacking and not self._lacking):
            self.outdated("the database lacks commits")
        self._lacking = self._lacking and found.lacking
        return True

    def _lost_contact(self, error: UnreachableError) -> None:
        if not self._stop.is_set():
            self._contact.lost(error)

    def _lose(self, why: str) -> None:
        self.tenure = None
        self._log.warning("not leading any more; standing by", why=why)
        self.lost()

    def _give_back(self, hold: Hold) -> None:
        try:
            with reach():
                self._table.give_back(hold)
        except UnreachableError as error:
            self._log.warning("the lease could not be given back; it ends by itself", error=str(error))
