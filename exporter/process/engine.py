"""What asks CircleCI and keeps the answers, built from a configuration: for the daemon, `once` and `check` alike."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.client import Client, Limiter
from exporter.config import TokenSource
from exporter.errors import ConfigError, Problem
from exporter.insights.collectors import COLLECTORS, NAMES
from exporter.polling import runs as run_polls
from exporter.polling.project import Poller
from exporter.polling.runs import RunPoller
from exporter.polling.schedule import pool_size
from exporter.publishing.store import SnapshotStore
from exporter.runs import FIELDS as RUN_FIELDS
from exporter.state import StateStore
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config import CircleCI, Config
    from exporter.system.logs import Logger


class Engine:
    """Client, limiter, store, state and pollers of one process."""

    def __init__(
        self,
        config: Config,
        log: Logger,
        *,
        shard: int = 0,
        total_shards: int = 1,
        environ: Mapping[str, str] = os.environ,
        keep_state: bool = True,
    ) -> None:
        """Build it all. Raises ConfigError without a token, StartError when the state file cannot be used."""
        self._config, self._total_shards, self._environ = config, total_shards, environ
        self.stop = threading.Event()
        fields = {name: collector.fields() for name, collector in COLLECTORS.items()} | {
            run_polls.COLLECTOR: RUN_FIELDS
        }
        self.telemetry = Telemetry(__version__, NAMES, shard, total_shards, fields=fields)
        circleci = config.circleci.share(total_shards)
        tokens = TokenSource(circleci, environ)
        self.limiter = Limiter(
            circleci.requests_per_second,
            circleci.burst,
            circleci.concurrency,
            stop=self.stop,
            throttled=self.telemetry.throttled,
        )
        self.polls_at_once = pool_size(circleci.concurrency, circleci.requests_per_second)
        self.store = SnapshotStore()
        self.state = StateStore.open(config.state.path if keep_state else None, circleci.api_url, self.telemetry, log)
        self.client = self._connected(circleci, tokens)
        self.poller = Poller(self.client, self.store, self.state, self.telemetry, log)
        self.run_poller = RunPoller(self.poller, self.state)

    def change(self, config: Config) -> None:
        """Ask by other settings from now on. Raises ConfigError for what only a restart can change."""
        fixed = (
            ("circleci.url", self._config.circleci.url, config.circleci.url),
            ("state.path", self._config.state.path, config.state.path),
        )
        problems = tuple(
            Problem(config.file, path, str(new), f"{old}, until the exporter is started anew")
            for path, old, new in fixed
            if old != new
        )
        if problems:
            raise ConfigError(problems)
        if config.circleci != self._config.circleci:
            circleci = config.circleci.share(self._total_shards)
            before, self.client = self.client, self._connected(circleci, TokenSource(circleci, self._environ))
            self.limiter.reconfigure(circleci.requests_per_second, circleci.burst, circleci.concurrency)
            self.poller.client = self.client
            before.close()
        self._config = config

    def close(self) -> None:
        """Let everything that waits give up, and close the state file."""
        self.stop.set()
        self.client.close()
        self.state.close()

    def _connected(self, circleci: CircleCI, tokens: TokenSource) -> Client:
        return Client(circleci, tokens, self.limiter, self.telemetry, self.stop, __version__)
