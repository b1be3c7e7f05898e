"""What a process has only as one of several replicas: the lease, the reigns, and the inbox in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exporter.config import Config
from exporter.errors import StartError
from exporter.process.engine import Engine
from exporter.process.fixed import Options
from exporter.process.inbox_watch import InboxWatch
from exporter.process.reign import Reign
from exporter.process.shared_door import SharedDoor
from exporter.process.succession import Succession
from exporter.replicas import Keeper, SharedState
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login, UnreachableError
from exporter.system.logs import Logger

STATEMENT_SHARE = 0.2
"""Of the lease: how long one of its statements may take. A renewal must be able to fail more than once."""
WEBHOOK_SECONDS = 3.0
"""How long a statement of a webhook may take: its sender waits."""


class Replica:
    """One of several processes on one database."""

    def __init__(
        self,
        config: Callable[[], Config],
        options: Options,
        begin: Callable[[SharedState], Reign],
        log: Logger,
        *,
        webhooks: bool,
    ) -> None:
        """Connect to nothing yet. `config` gives the newest configuration, `begin` makes a reign."""
        login = Login.of(config().state)
        self.keeper = _keeper(config(), login, options.shard, options.total_shards, log)
        self.succession = Succession(self.keeper, login, config().state.lease, begin, log)
        self.door: SharedDoor | None = None
        self.failure: StartError | None = None
        """Why this replica can never lead."""
        if webhooks:
            self._arrivals = Arrivals(Link(login, WEBHOOK_SECONDS), config().circleci.api_url)
            self.door = SharedDoor(self._arrivals, config, self._look, self.keeper.wall.wall)

    def reach(self) -> None:
        self.keeper.reach()

    def start(self, stop: Callable[[], None]) -> None:
        """Ask for the lease, and take webhooks. `stop` ends the process where this replica can never lead."""

        def failed(error: StartError) -> None:
            self.failure = error
            stop()

        self.keeper.failed = failed
        self.succession.start()
        if self.door is not None:
            self.door.start()

    def stop(self) -> None:
        """Lead no longer, give the lease back, and let go of the database."""
        self.succession.stop()
        if self.door is not None:
            self.door.stop()

    def watch(self, engine: Engine, counted: Callable[[str, str, int], None] | None) -> InboxWatch | None:
        """What looks into the database's inbox for a reign."""
        if self.door is None:
            return None
        return InboxWatch(engine, self._arrivals, counted)

    def _look(self) -> None:
        reign = self.succession.current
        if reign is not None:
            reign.look_into_inbox()


@contextmanager
def leading(config: Config, shard: int, total_shards: int, log: Logger) -> Iterator[SharedState]:
    """Lead a shard while a command works on its state: the lease is taken once, kept, and given back at the end.

    Raises StartError where the database cannot be used, or another process leads.
    """
    url, login, seconds = config.state.url, Login.of(config.state), config.state.lease
    keeper = _keeper(config, login, shard, total_shards, log)
    taken: list[SharedState] = []
    keeper.taken = lambda lease: taken.append(SharedState(keeper, lease, login, seconds))
    try:
        try:
            reached = keeper.reach() and (keeper.take() or True)
        except UnreachableError as error:
            raise StartError(f"{url}: {error}") from None
        if not reached:
            raise StartError(f"{url}: the database cannot be reached")
        if not taken:
            raise StartError(
                f"{url}: another process leads; stop all replicas, and wait {seconds:g} s if one was killed"
            )
        keeper.start()
        yield taken[0]
    finally:
        keeper.stop()


def _keeper(config: Config, login: Login, shard: int, total_shards: int, log: Logger) -> Keeper:
    seconds = config.state.lease
    table = LeaseTable(Link(login, max(1.0, seconds * STATEMENT_SHARE)), seconds)
    return Keeper(table, Place(config.circleci.api_url, shard, total_shards), log)
