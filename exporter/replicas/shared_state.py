"""The shared state during one reign: it may be used as long as the lease holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from structlog.stdlib import BoundLogger

from exporter.config import owner
from exporter.replicas.keeper import Keeper
from exporter.state import StateStore
from exporter.state.postgres.database import Postgres
from exporter.state.postgres.lease_table import Hold, Taken
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from exporter.state.run_tables import KEEP_AWAY
from exporter.telemetry import Telemetry


class ReignEnd(threading.Event):
    """Is set once it was set, and as soon as the lease does not hold: whoever asks before a request makes none then."""

    def __init__(self, leads: Callable[[], bool]) -> None:
        super().__init__()
        self._leads = leads

    def is_set(self) -> bool:
        return super().is_set() or not self._leads()


@dataclass(frozen=True, slots=True)
class SharedState:
    """What a reign is begun with."""

    keeper: Keeper
    taken: Taken
    login: Login
    lease: float
    ended: ReignEnd = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ended", ReignEnd(self.leads))

    @property
    def hold(self) -> Hold:
        return self.taken.hold

    def _saw(self, commits: int) -> None:
        self.keeper.commits.saw(self.hold, commits)

    def leads(self) -> bool:
        return self.keeper.leads(self.hold)

    def open(self, telemetry: Telemetry, log: BoundLogger) -> tuple[StateStore, Postgres]:
        """The state of this reign's place, and the database under it: every commit is fenced by the lease.

        Raises StateError where what was counted has to be forgotten, and cannot be.
        """
        server, shard, total = self.hold.place

        def mine(slug: str) -> bool:
            return slug.count("/") == 1 or owner(slug, total) == shard if slug else shard == 0

        link = Link(self.login, self.lease)
        with ExitStack() as undo:
            undo.callback(link.close)
            database = Postgres(link, self.taken, telemetry, log, lease=self.lease, leads=self.leads, seen=self._saw)
            wall = self.keeper.wall.wall
            state = StateStore(database, server, telemetry, log, wall=wall, mine=mine, patience=KEEP_AWAY)
            undo.pop_all()
        return state, database
