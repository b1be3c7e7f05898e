"""What is logged of the whole process: its start, its first complete poll, and the API calls that it needs."""

from __future__ import annotations

import threading

from exporter import __version__
from exporter.config import Config
from exporter.knowledge.calls import HOUR, NONE, Calls, expected, lists_per_hour, searches_per_hour
from exporter.knowledge.organization_lists import organization_of
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.store import SnapshotStore
from exporter.system.logs import Logger


class LifecycleLog:
    """Logs what a configuration needs once everything was polled, and a first estimate if that is still to come.

    The thread that reloads and the one that looks every second share it.
    """

    def __init__(self, store: SnapshotStore, config: Config, log: Logger, *, shard: int, total_shards: int) -> None:
        self._store, self._log, self._shard, self._total_shards = store, log, shard, total_shards
        self._lock = threading.Lock()
        self._config = config
        self._pending: Config | None = config

    def starting(self) -> None:
        """Log what starts."""
        config = self._config
        self._log.info(
            "starting",
            version=__version__,
            config=config.file,
            projects=self._store.exposition.projects,
            organizations=len(config.organizations),
            circleci=config.circleci.url,
            state=str(config.state.path) if config.state.path else "in memory",
            **({"shard": f"{self._shard} of {self._total_shards}"} if self._total_shards > 1 else {}),
        )

    def adopted(self, config: Config) -> None:
        """Log its result once everything was polled, and warn at once if it needs more calls than are allowed."""
        with self._lock:
            self._config = self._pending = config
        if not self._all_polled():  # otherwise the next look warns, so that no start waits for the estimate
            self._warn(config, self._calls(config))

    def look(self) -> None:
        """Log the result of the first poll of all projects with the newest configuration. Called every second."""
        config = self._pending
        if config is None or not self._all_polled():
            return
        with self._lock:
            if self._pending is not config:  # reloaded meanwhile
                return
            self._pending = None
        calls, snapshots = self._calls(config), self._snapshots()
        self._log.info(
            "first poll of all projects complete",
            projects=len(snapshots),
            failing=sum(any(not outcome.success for outcome in each.outcomes.values()) for each in snapshots),
            series=sum(self._store.series.values()),
            api_calls_per_hour=f"{calls.least:.0f} to {calls.most:.0f}",
            allowed_per_hour=round(self._allowed(config)),
        )
        self._warn(config, calls)

    def _all_polled(self) -> bool:
        searched = all(snapshot.outcomes for snapshot, _ in self._store.organizations.values())
        return searched and all(set(each.project.collectors) <= each.outcomes.keys() for each in self._snapshots())

    def _snapshots(self) -> list[Snapshot]:
        return [snapshot for snapshot, _ in self._store.published.values()]

    def _calls(self, config: Config) -> Calls:
        snapshots, searches = self._snapshots(), map(searches_per_hour, config.organizations)
        lists = lists_per_hour(snapshot.project for snapshot in snapshots)
        known = (expected(each, listed=organization_of(each.project.slug) in lists) for each in snapshots)
        return sum([*known, *lists.values(), *searches], NONE)

    def _allowed(self, config: Config) -> float:
        return config.circleci.share(self._total_shards).requests_per_second * HOUR

    def _warn(self, config: Config, calls: Calls) -> None:
        """Polls will be late when not even the fewest calls fit: log by how much."""
        allowed = self._allowed(config)
        if calls.least > allowed:
            self._log.warning(
                "configuration needs more API calls than requests_per_second allows, polls will be late",
                api_calls_per_hour=round(calls.least),
                allowed_per_hour=round(allowed),
                exceeded_by=f"{calls.least / allowed - 1:.0%}",
            )
