"""What a process has only as one of several replicas: the lease, the terms, and the inbox in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exporter.config import Config
from exporter.errors import StartError
from exporter.process.fixed import Options
from exporter.process.keeper import Keeper
from exporter.process.leading import Leader
from exporter.process.lease import Lease
from exporter.process.shared_inbox import SharedInbox
from exporter.process.term import Term
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
        begin: Callable[[Lease], Term],
        log: Logger,
        *,
        webhooks: bool,
    ) -> None:
        """Connect to nothing yet. `config` gives the newest configuration, `begin` makes a term."""
        self.keeper = _keeper(config(), options.shard, options.total_shards, log)
        self.leader = Leader(self.keeper, begin, log)
        self.inbox: SharedInbox | None = None
        if webhooks:
            arrivals = Arrivals(Link(self.keeper.login, WEBHOOK_SECONDS), config().circleci.api_url)
            self.inbox = SharedInbox(arrivals, config, self.keeper.time.wall)

    def start(self, stop: Callable[[], None]) -> None:
        """Ask for the lease, and take webhooks. `stop` ends the process where this replica can never lead."""
        self.leader.start(stop)
        if self.inbox is not None:
            self.inbox.start()

    def stop(self) -> None:
        """Lead no longer, release the lease, and let go of the database."""
        self.leader.stop()
        if self.inbox is not None:
            self.inbox.stop()


@contextmanager
def leading(config: Config, shard: int, total_shards: int, log: Logger) -> Iterator[Lease]:
    """Lead a shard while a command works on its state: the lease is acquired once, kept, and released at the end.

    Raises StartError where the database cannot be used, or another process leads.
    """
    url, keeper = config.state.url, _keeper(config, shard, total_shards, log)
    try:
        if not keeper.reach():
            raise StartError(f"{url}: the database cannot be reached")
        try:
            lease = keeper.acquire_once()
        except UnreachableError as error:
            raise StartError(f"{url}: {error}") from None
        if lease is None:
            raise StartError(
                f"{url}: another process leads; stop all replicas, and wait {keeper.seconds:g} s if one was killed"
            )
        keeper.start()
        yield lease
    finally:
        keeper.stop()


def _keeper(config: Config, shard: int, total_shards: int, log: Logger) -> Keeper:
    login, seconds = Login.of(config.state), config.state.lease
    table = LeaseTable(Link(login, max(1.0, seconds * STATEMENT_SHARE)), seconds)
    return Keeper(table, Place(config.circleci.api_url, shard, total_shards), login, log)
