"""`once`: every project polled once, then one scrape to standard output."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from exporter.errors import Stopped
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.schedule import Schedule
from exporter.process import figures
from exporter.process.organizations import Organizations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from exporter.config import Config, Project
    from exporter.process.engine import Engine


def found(engine: Engine, config: Config, shard: int, total_shards: int) -> tuple[tuple[Project, ...], bool]:
    """The projects of a shard, those of organizations included, and whether every search went well."""
    unused = Schedule(engine.telemetry, engine.poller.log, size=1)
    organizations = Organizations(engine, unused, lambda _projects: None, shard=shard, total_shards=total_shards)
    organizations.restore(config)
    well = organizations.search_all()
    return organizations.projects(), well


def once(engine: Engine, projects: Iterable[Project], output: BinaryIO) -> bool:
    """Poll, write what succeeded in text format 0.0.4, and return whether everything did."""
    engine.store.publish(map(Snapshot, projects), time.time())

    def poll(slug: str) -> None:
        for poller in (engine.poller, engine.run_poller):
            poll = poller.begin(slug)
            while poll is not None and poll.step():
                pass

    with ThreadPoolExecutor(engine.polls_at_once) as pool:
        try:
            list(pool.map(poll, list(engine.store.published)))
        except Stopped:
            return False
    pieces, _ = figures.exposition(engine.store, engine.telemetry, openmetrics=False, gzip=False)
    output.writelines(pieces)
    output.flush()
    snapshots = [snapshot for snapshot, _ in engine.store.published.values()]
    return all(outcome.success for snapshot in snapshots for outcome in snapshot.outcomes.values())
