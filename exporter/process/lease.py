"""A lease that was acquired: how long it may be relied on, and the state that may be used meanwhile."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from exporter.config import owner
from exporter.state import StateStore
from exporter.state.postgres.database import Postgres
from exporter.state.postgres.lease_table import Acquired
from exporter.state.postgres.link import Link
from exporter.state.run_tables import KEEP_AWAY
from exporter.system.logs import Logger
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from exporter.process.keeper import Keeper

SHARE: Final = 0.9
"""Of the lease: the rest is for clocks that run at other speeds."""
RENEWALS: Final = 3
"""In each lease."""
RETRY: Final = 10
"""Attempts in each lease while renewing fails, one a second at most."""


class Lease:
    """Until it is over it can be acquired again, under a later epoch; after that it never holds.

    Safe from any thread.
    """

    def __init__(self, keeper: Keeper, acquired: Acquired, sent_at: float) -> None:
        """`sent_at` is when the newest good renewal was sent: the database began to count at that moment or later."""
        self.keeper, self.acquired, self.sent_at = keeper, acquired, sent_at
        self.lost = False
        self.outdated = ""
        """Why the database may hold something else than was read of it under this lease; empty where it does not."""

    @property
    def over(self) -> bool:
        """Whether it was lost or released."""
        return self.lost or self.keeper.ended

    @property
    def lapsed(self) -> bool:
        """Whether another can have acquired it, as far as this replica can know."""
        return self.keeper.clock() - self.sent_at >= SHARE * self.keeper.seconds

    def holds(self) -> bool:
        return not (self.over or self.lapsed)

    @property
    def pause(self) -> float:
        """Seconds until the next renewal."""
        return self.keeper.seconds / RENEWALS

    @property
    def retry(self) -> float:
        """Seconds until the next attempt where a renewal failed."""
        return min(1.0, self.keeper.seconds / RETRY)

    def stop_event(self) -> threading.Event:
        """For what works under this lease: set once it was set, and as soon as the lease does not hold."""
        return _Stop(self)

    def open(self, telemetry: Telemetry, log: Logger) -> tuple[StateStore, Postgres]:
        """The state of this replica's place, and the database under it: every commit is fenced by the lease as it is.

        Raises StateError where what was counted has to be forgotten, and cannot be.
        """
        keeper, acquired = self.keeper, self.acquired
        server, shard, total = acquired.hold.place

        def mine(slug: str) -> bool:
            return slug.count("/") == 1 or owner(slug, total) == shard if slug else shard == 0

        def saw(commits: int) -> None:
            keeper.commits.saw(acquired.hold, commits)

        seconds = keeper.seconds
        link = Link(keeper.login, seconds)
        with ExitStack() as undo:
            undo.callback(link.close)
            database = Postgres(link, acquired, telemetry, log, lease=seconds, leads=self.holds, seen=saw)
            state = StateStore(database, server, telemetry, log, wall=keeper.time.wall, mine=mine, patience=KEEP_AWAY)
            undo.pop_all()
        return state, database


class _Stop(threading.Event):
    """Whoever asks it before a request makes none after the lease."""

    def __init__(self, lease: Lease) -> None:
        super().__init__()
        self._lease = lease

    def is_set(self) -> bool:
        return super().is_set() or not self._lease.holds()
