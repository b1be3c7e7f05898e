"""What the log tells of the process as a whole: its start, its first figures, and what they cost in API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter import __version__
from exporter.knowledge.calls import HOUR, NONE, Calls, expected, searches_per_hour

if TYPE_CHECKING:
    from exporter.config import Config
    from exporter.knowledge.snapshots import Snapshot
    from exporter.publishing.store import SnapshotStore
    from exporter.system.logs import Logger


class Announcer:
    """Tells what a configuration means, when it is taken and once more when all of it was polled."""

    def __init__(self, store: SnapshotStore, config: Config, log: Logger, *, shard: int, total_shards: int) -> None:
        """Nothing is told yet."""
        self._store, self._log, self._shard, self._total_shards = store, log, shard, total_shards
        self._config, self._due = config, True

    def starting(self) -> None:
        """Say what starts, and whether it asks for more than it may."""
        config = self._config
        self._log.info(
            "starting",
            version=__version__,
            config=config.file,
            projects=len(self._store.published),
            organizations=len(config.organizations),
            circleci=config.circleci.url,
            state=str(config.state.path) if config.state.path else "in memory",
            **({"shard": f"{self._shard} of {self._total_shards}"} if self._total_shards > 1 else {}),
        )
        self.taken(config)

    def taken(self, config: Config) -> None:
        """Another configuration holds from now on."""
        self._config, self._due = config, True
        self._warn(self._calls())

    def look(self) -> None:
        """Once every project was polled by the newest configuration, say what came of it. Call it again and again."""
        if not self._due or any(not snapshot.outcomes for snapshot, _ in self._store.organizations.values()):
            return
        snapshots = self._snapshots()
        if not all(map(_polled, snapshots)):
            return
        self._due = False
        calls = self._calls()
        self._log.info(
            "every project was polled",
            projects=len(snapshots),
            failing=sum(any(not outcome.success for outcome in each.outcomes.values()) for each in snapshots),
            series=sum(self._store.series.values()),
            api_calls_an_hour=f"{calls.least:.0f} to {calls.most:.0f}",
            allowed_an_hour=round(self._allowed()),
        )
        self._warn(calls)

    def _snapshots(self) -> list[Snapshot]:
        return [snapshot for snapshot, _ in self._store.published.values()]

    def _calls(self) -> Calls:
        searches = map(searches_per_hour, self._config.organizations)
        return sum([*map(expected, self._snapshots()), *searches], NONE)

    def _allowed(self) -> float:
        return self._config.circleci.share(self._total_shards).requests_per_second * HOUR

    def _warn(self, calls: Calls) -> None:
        """Polls come late when not even the fewest calls fit: say by how much."""
        allowed = self._allowed()
        if calls.least > allowed:
            self._log.warning(
                "more API calls are needed than requests_per_second allows, so polls come late",
                api_calls_an_hour=round(calls.least),
                allowed_an_hour=round(allowed),
                too_many_by=f"{calls.least / allowed - 1:.0%}",
            )


def _polled(snapshot: Snapshot) -> bool:
    """Whether everything that is collected of a project was tried."""
    return set(snapshot.project.collectors) <= snapshot.outcomes.keys()
