"""The lease while a command works on a shared state: taken once, kept, and given back at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter.errors import StartError
from exporter.process.replica import STATEMENT_SHARE
from exporter.replicas import Keeper, SharedState
from exporter.state.postgres.connecting import UnreachableError
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config import Config
    from exporter.system.logs import Logger


@contextmanager
def leading(config: Config, shard: int, total_shards: int, log: Logger) -> Iterator[SharedState]:
    """Lead a shard. Raises StartError where the database cannot be used, or another process leads."""
    url, login, seconds = config.state.url, Login.of(config.state), config.state.lease
    table = LeaseTable(Link(login, max(1.0, seconds * STATEMENT_SHARE)), seconds)
    keeper = Keeper(table, Place(config.circleci.api_url, shard, total_shards), log)
    taken: list[SharedState] = []
    keeper.taken = lambda hold, paused: taken.append(SharedState(keeper, hold, login, seconds, paused, patient=True))
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
