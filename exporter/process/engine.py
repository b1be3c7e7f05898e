"""Everything that asks CircleCI and keeps the answers, for the daemon, `once` and `check` alike."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.client import Client, Limiter
from exporter.config import Config, Organization, TokenSource
from exporter.insights.collector import PIPELINES_POLL, PROJECT_POLL, RUNS_POLL
from exporter.insights.collectors import COLLECTORS, NAMES
from exporter.polling import pipelines, project, runs
from exporter.polling.attempt import SYSTEM_CLOCKS, Attempts, Clocks
from exporter.polling.coverage import Coverage
from exporter.polling.failure_log import FailureLog
from exporter.polling.inbox import Inbox
from exporter.polling.kind import Kind, Means, Poll
from exporter.polling.pace import Pace
from exporter.polling.schedule import pool_size
from exporter.polling.search import OrganizationSearch
from exporter.polling.side_by_side import Threads
from exporter.publishing.project_labels import ProjectLabels
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from exporter.process.lease import Lease
    from exporter.state.postgres.database import Postgres
    from exporter.system.logs import Logger


class Engine:
    """Client, limiter, store, state and polls of one process."""

    def __init__(
        self,
        config: Config,
        log: Logger,
        *,
        shard: int = 0,
        total_shards: int = 1,
        environ: Mapping[str, str] = os.environ,
        keep_state: bool = True,
        clocks: Clocks = SYSTEM_CLOCKS,
        lease: Lease | None = None,
    ) -> None:
        """Build everything. Raises ConfigError without a token, StartError if the state file cannot be used.

        With a lease there is no file, and everything stops when it does not hold.
        """
        self._config, self._total_shards = config, total_shards
        self.clocks, self.log = clocks, log
        self.stop: threading.Event = lease.stop_event() if lease else threading.Event()
        fields = {name: collector.fields() for name, collector in COLLECTORS.items()}
        self.telemetry = Telemetry(__version__, NAMES, shard, total_shards, fields=fields)
        circleci = config.circleci.share(total_shards)
        self.limiter = Limiter(
            circleci.requests_per_second,
            circleci.burst,
            circleci.concurrency,
            stop=self.stop,
            throttled=self.telemetry.throttled,
            clock=clocks.monotonic,
            wall=clocks.wall,
            waiter=clocks.waiter,
        )
        self.failures = FailureLog(log)
        self.client = Client(
            circleci,
            partial(TokenSource, environ=environ, clock=clocks.monotonic),
            self.limiter,
            self.telemetry,
            self.stop,
            __version__,
            told=self.failures.contact,
            clock=clocks.monotonic,
            wall=clocks.wall,
        )
        self.polls_at_once = pool_size(circleci.concurrency, circleci.requests_per_second)
        self.labels = ProjectLabels(log)
        self.store = SnapshotStore(self.labels)
        self.database: Postgres | None = None  # and the state last: what is opened has to be closed again
        if lease is None:
            path = config.state.path if keep_state else None
            self.state = StateStore.open(path, circleci.api_url, self.telemetry, log, wall=clocks.wall)
        else:
            self.state, self.database = lease.open(self.telemetry, log)
            self.limiter.begin_empty(lease.acquired.paused_until)
            self.telemetry.leads()
        self.threads = Threads(circleci.concurrency, clocks.waiter)
        self.attempts = Attempts(self.client, clocks, self.telemetry, log, self.threads)
        self._means = Means(self.attempts, self.store, self.state, self.failures)
        self.coverage, self.inbox = Coverage(), Inbox(self.state, clocks.wall)
        self.pace = Pace(self.coverage, self.inbox, clocks.wall, self.attempts.ahead)
        self.kinds: Mapping[str, Kind] = {
            PROJECT_POLL: project.kind(*self._means),
            RUNS_POLL: runs.kind(*self._means),
            PIPELINES_POLL: pipelines.kind(*self._means, self.pace),
        }
        """The kinds of polls of a project, by their names in the table of collectors."""

    def begin(self, slug: str, kind: str = PROJECT_POLL, *, missing_only: bool = False) -> Poll | None:
        """Start a poll of a project, of all that it asks or of what has no answer yet; None if there is none."""
        return self.kinds[kind].begin(slug, missing_only=missing_only)

    def search(self, organization: Organization, done: Callable[[], None], *, totals: bool) -> OrganizationSearch:
        """Start a search for an organization's projects; `done` is called when something was published."""
        return OrganizationSearch(organization, self._means, done, totals=totals)

    def forget(self, slugs: Collection[str]) -> None:
        """Show and keep nothing more of projects or organizations that are gone, and log their failures anew."""
        with ExitStack() as held:  # a poll that is about to publish must find its project there, or gone
            for slug in slugs:
                held.enter_context(self.store.lock(slug))
            self.store.withdraw(slugs)
            self.state.forget(slugs)
            self.failures.forget(slugs)

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready for other settings, which the call of what is returned adopts.

        Raises ConfigError or StartError; then nothing has changed. Whoever calls it knows what only a restart changes.
        """
        circleci, ask_anew = config.circleci.share(self._total_shards), None
        if config.circleci != self._config.circleci:
            ask_anew = self.client.prepare(circleci)

        def adopt() -> None:
            if ask_anew is not None:
                ask_anew()
                self.limiter.reconfigure(circleci.requests_per_second, circleci.burst, circleci.concurrency)
                self.threads.concurrency = circleci.concurrency
            self._config = config

        return adopt

    def close(self) -> None:
        """End all waits and close the state file."""
        self.stop.set()
        self.threads.close()
        self.client.close()
        self.state.close()
