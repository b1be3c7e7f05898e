"""What the log tells of the process as a whole: its start, its first figures, and what they cost in API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter import __version__, plan
from exporter.calls import HOUR, NONE, Calls, expected, searches_per_hour

if TYPE_CHECKING:
    from exporter.config import Config
    from exporter.logs import Logger
    from exporter.snapshots import Snapshot
    from exporter.store import SnapshotStore


class Announcer:
    """Tells what a configuration means, when it is taken and once more when all of it was polled."""

    def __init__(self, store: SnapshotStore, log: Logger, total_shards: int) -> None:
        """Nothing is told yet."""
        self._store, self._log, self._total_shards = store, log, total_shards
        self._config: Config | None = None

    def starting(self, config: Config, shard: int) -> None:
        """Say what starts, and whether it asks for more than it may."""
        self._log.info(
            "starting",
            version=__version__,
            config=config.file,
            projects=len(self._store.published),
            organizations=len(config.organizations),
            circleci=config.circleci.url,
            state=str(config.state.path) if config.state.path else "in memory",
            **({"shard": f"{shard} of {self._total_shards}"} if self._total_shards > 1 else {}),
        )
        self.taken(config)

    def taken(self, config: Config) -> None:
        """Another configuration holds from now on."""
        self._config = config
        self._warn(config, self._calls(config))

    def look(self) -> None:
        """Once every project was polled by the newest configuration, say what came of it. Call it again and again."""
        config, snapshots = self._config, self._snapshots()
        if config is None or not all(map(_polled, snapshots)):
            return
        if any(not snapshot.outcomes for snapshot, _ in self._store.organizations.values()):
            return
        self._config = None
        calls = self._calls(config)
        self._log.info(
            "every project was polled",
            projects=len(snapshots),
            failing=sum(any(not outcome.success for outcome in each.outcomes.values()) for each in snapshots),
            series=sum(self._store.series.values()),
            api_calls_an_hour=f"{calls.least:.0f} to {calls.most:.0f}",
            allowed_an_hour=round(self._allowed(config)),
        )
        self._warn(config, calls)

    def _snapshots(self) -> list[Snapshot]:
        return [snapshot for snapshot, _ in self._store.published.values()]

    def _calls(self, config: Config) -> Calls:
        return sum(
            [*map(expected, self._snapshots()), *map(searches_per_hour, config.organizations)],
            NONE,
        )

    def _allowed(self, config: Config) -> float:
        return config.circleci.share(self._total_shards).requests_per_second * HOUR

    def _warn(self, config: Config, calls: Calls) -> None:
        """Polls come late when not even the fewest calls fit: say by how much."""
        allowed = self._allowed(config)
        if calls.least > allowed:
            self._log.warning(
                "more API calls are needed than requests_per_second allows, so polls come late",
                api_calls_an_hour=round(calls.least),
                allowed_an_hour=round(allowed),
                too_many_by=f"{calls.least / allowed - 1:.0%}",
            )


def _polled(snapshot: Snapshot) -> bool:
    """Whether everything that is collected of a project was tried."""
    tried = {collector.name for collector in plan.collectors(snapshot.project)}
    if "runs" in snapshot.project.collectors:
        tried.add("runs")
    return tried & set(snapshot.project.collectors) <= snapshot.outcomes.keys()
