"""The lease of one replica: a thread asks for it, renews it and releases it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Final

from structlog.stdlib import BoundLogger

from exporter.errors import StartError
from exporter.process.contact import Commits, Contact, DatabaseClock, steady
from exporter.process.lease import Lease
from exporter.state.postgres import schema
from exporter.state.postgres.lease_table import Hold, LeaseTable, Place, Seen, fence
from exporter.state.postgres.login import BusyError, Login, UnreachableError, first_contact, reach

ASK_EVERY: Final = 1.0
RELEASE_SECONDS: Final = 2.0
PAUSES_DIFFER: Final = 1.0
"""Seconds; less is the clock's."""


class Keeper:
    """Keeps the lease of one place."""

    def __init__(
        self,
        table: LeaseTable,
        place: Place,
        login: Login,
        log: BoundLogger,
        *,
        clock: Callable[[], float] = steady,
        time: DatabaseClock | None = None,
    ) -> None:
        """`clock` gives seconds that never go back, and go on while a machine sleeps."""
        self._table, self._place, self._log = table, place, log
        self.login, self.seconds, self.clock = login, table.seconds, clock
        self.time, self.commits = time or DatabaseClock(clock), Commits()
        self._holder = uuid.uuid4().hex
        self._stop, self._hurry = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._contact = Contact(log)
        self._paused_until: float | None = None
        self._lacking = False
        self._changed = threading.Condition()
        self.lease: Lease | None = None
        """What this replica has of it."""
        self._anew = False
        """Whether the lease has to be acquired (again) before anything is read under it."""
        self.reached = False
        """Whether the database was ever reached, and its tables are those of this version."""
        self.failure: StartError | None = None
        """Why this replica can never lead."""

    @property
    def ended(self) -> bool:
        """Whether this replica leads never again."""
        return self._stop.is_set() or self.failure is not None

    @property
    def reachable(self) -> bool:
        return self._contact.reachable

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

    def acquire_once(self) -> Lease | None:
        """The lease if it is free. Raises StartError or UnreachableError."""
        with reach():
            self._acquire()
        return self.lease

    def acquire(self) -> Lease | None:
        """The lease, once this replica has it; None at the end, and where it can never lead."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or (self.lease is not None and not self._anew))
            return None if self.ended else self.lease

    def acquire_again(self, lease: Lease) -> None:
        """Acquire a lease again unless it is over: what was sent until then is over, or is refused."""
        with self._changed:
            if not lease.over:
                self._anew = True
                self._hurry.set()
            self._changed.wait_for(lambda: lease.over or not self._anew)

    def wait(self, lease: Lease, seconds: float) -> None:
        """Wait so long, unless a lease is over before or what was read under it is outdated."""
        with self._changed:
            self._changed.wait_for(lambda: lease.over or lease.outdated, seconds)

    def stop(self) -> None:
        """Lead no longer from this moment, and release the lease; 2 s at most where the database is silent."""
        self._stop.set()
        self._tell()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(RELEASE_SECONDS)
        self._table.link.close()

    def note_pause(self, until: float | None) -> None:
        """Keep with the lease until when CircleCI has asked for a pause, in Unix seconds: the next leader heeds it."""
        known = self._paused_until
        if until is not None and (known is None or abs(until - known) > PAUSES_DIFFER):
            self._paused_until = until
            self._hurry.set()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                pause = self._step()
            except StartError as error:
                self.failure = error
                self._tell()
                return
            self._hurry.wait(pause)
            self._hurry.clear()
        if self.lease is not None:
            self._release(self.lease.acquired.hold)

    def _step(self) -> float:
        """Do what is due; returns the seconds until the next step. Raises StartError."""
        lease = self.lease
        if lease is None:
            if self.reached or self.reach():
                self._ask()
            return ASK_EVERY
        renewed = False
        try:
            with reach():
                renewed = self._acquire_again(lease) if self._anew else self._renew(lease)
        except UnreachableError as error:
            self._lost_contact(error)
            if isinstance(error, BusyError):
                self._renew_beside(lease)
        if lease.lost:
            return ASK_EVERY
        if lease.lapsed:
            self._lose(lease, "the lease could not be renewed in time")
            return 0.0
        return lease.pause if renewed else lease.retry

    def _renew_beside(self, lease: Lease) -> None:
        """Renew while a commit of unknown end goes on, which may take longer than the lease."""
        try:
            with reach():
                self._renew(lease)
        except UnreachableError as error:
            self._lost_contact(error)

    def _ask(self) -> None:
        try:
            with reach():
                sent_at = self.clock()
                seen = self._table.look(self._place)
                self.time.measured(seen.now, sent_at, self.clock())
                self._contact.made()
                self._compare(seen)
                if seen.is_free(self._place):
                    self._acquire()
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

    def _acquire(self) -> None:
        link = self._table.link
        schema.version(link)
        sent_at = self.clock()
        acquired = self._table.acquire(self._place, self._holder, self.commits.newest.epoch)
        if acquired is None:
            return
        self.time.measured(acquired.now, sent_at, self.clock())
        guard = fence(link, acquired.hold)
        if not schema.migrate(link, guard):
            return
        schema.forget_if_restored(link, guard)
        self._log.info("leading", epoch=acquired.hold.epoch)
        self._begin(Lease(self, acquired, sent_at))

    def _acquire_again(self, lease: Lease) -> bool:
        sent_at = self.clock()
        acquired = self._table.acquire_again(lease.acquired.hold)
        if acquired is None:
            self._lose(lease, "another replica has taken the lease")
            return False
        self.time.measured(acquired.now, sent_at, self.clock())
        self._contact.made()
        lease.acquired, lease.sent_at = acquired._replace(paused_until=self._paused_until), sent_at
        return self._begin(lease)

    def _begin(self, lease: Lease) -> bool:
        with self._changed:
            self.lease, self._anew = lease, True  # where this fails, the lease is acquired again
        begun = self._table.begin(lease.acquired, self.commits.newest.commits)
        if begun is None:
            self._lose(lease, "another replica has taken the lease")
            return False
        self._contact.waits_no_more()
        self._paused_until, self._lacking = begun.paused_until, begun.lacking
        self.commits.saw(begun.hold, begun.commits)
        with self._changed:
            lease.acquired, lease.outdated, self._anew = begun, "", False
            self._changed.notify_all()
        return True

    def _renew(self, lease: Lease) -> bool:
        sent_at, known = self.clock(), self.commits.newest.commits
        found = self._table.renew(lease.acquired.hold, self._paused_until)
        if found is None:
            self._lose(lease, "another replica has taken the lease")
            return False
        self.time.measured(found.now, sent_at, self.clock())
        self._contact.made()
        lapsed, lease.sent_at = lease.lapsed, sent_at
        if lapsed:
            lease.outdated = "the lease was renewed late"
        elif found.commits < known or (found.lacking and not self._lacking):
            lease.outdated = "the database lacks commits"
        self._lacking = self._lacking and found.lacking
        self._tell()
        return True

    def _lost_contact(self, error: UnreachableError) -> None:
        if not self._stop.is_set():
            self._contact.lost(error)

    def _lose(self, lease: Lease, why: str) -> None:
        self._log.warning("not leading any more; standing by", why=why)
        with self._changed:
            self.lease, lease.lost = None, True
            self._changed.notify_all()

    def _release(self, hold: Hold) -> None:
        try:
            with reach():
                self._table.release(hold)
        except UnreachableError as error:
            self._log.warning("the lease could not be given back; it ends by itself", error=str(error))
