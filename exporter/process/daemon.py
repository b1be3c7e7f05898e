"""The daemon: starts from a configuration, changes with a reload, ends with a signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.config import Config, read_token
from exporter.errors import ConfigError, StartError
from exporter.polling.attempt import SYSTEM_CLOCKS, Clocks
from exporter.process import figures, fixed
from exporter.process.fixed import Options
from exporter.process.leading import Standby
from exporter.process.own_inbox import OwnInbox
from exporter.process.reloads import Reloads
from exporter.process.term import Term
from exporter.system.garbage import collection_paused
from exporter.system.heap import share_one_heap
from exporter.system.signals import on_signals
from exporter.web.page.overview import Overview
from exporter.web.server import WebServer
from exporter.web.webhook_secrets import webhook_secrets
from exporter.web.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.process.lease import Lease
    from exporter.process.replica import Replica
    from exporter.system.file_watch import FileWatch
    from exporter.system.logs import Logger

__all__ = ["Daemon", "Options"]


class Daemon:
    """One process of the exporter; also the source of everything that the web side serves."""

    def __init__(
        self,
        config: Config,
        options: Options,
        log: Logger,
        *,
        watch: FileWatch | None = None,
        environ: Mapping[str, str] = os.environ,
        clocks: Clocks = SYSTEM_CLOCKS,
    ) -> None:
        """Build everything, handle signals and bind addresses. Raises ConfigError or StartError; nothing runs yet.

        Call it, and `run`, from the main thread. With a `watch` on the configuration file, a change reloads it.
        """
        share_one_heap()  # before any thread starts
        self._options, self._log, self._watch = options, log, watch
        self._standby, self._stopping = Standby(), threading.Event()
        self._reloads = Reloads(options.config_file, self._adopt, lambda: self._term, log)
        on_signals({signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self._reloads.ask})
        self._config, self._environ, self._clocks = config, environ, clocks
        self._secrets = webhook_secrets(config.webhooks.secret_file, environ, log)
        self._started_at = time.time()
        self._ready = False
        self._replica = self._as_replica() if config.state.url else None
        self._web = WebServer(
            self,
            addresses=options.listen,
            telemetry_path=options.telemetry_path,
            web_config=options.web_config,
            log=log,
            counted=self._count_incident,
            webhooks=self._webhooks(),
            leader=(lambda: self._term is not None) if self._replica else None,
        )
        self.addresses = self._web.bind()
        if self._replica:
            self._replica.keeper.reach()
        else:
            self._only = self._begin()

    def _as_replica(self) -> Replica:
        """One of several on the database. Raises ConfigError without a token, StartError without the driver."""
        read_token(self._config.circleci, self._environ)
        try:
            from exporter.process.replica import Replica  # noqa: PLC0415  its driver is an extra
        except ImportError as error:
            raise StartError(f"state.url: {error}; install circleci-insights-exporter[postgres]") from None
        return Replica(lambda: self._config, self._options, self._begin, self._log, webhooks=bool(self._secrets))

    def run(self) -> None:
        """Serve and poll until SIGTERM or SIGINT. Raises StartError where a replica finds that it can never lead."""
        if self._replica:
            self._run_replica(self._replica)
            return
        term = self._only
        try:
            with self._reloads.steady:
                with collection_paused():
                    term.restore()
                if self._stopping.is_set():  # while the state was read: nothing begins that would end at once
                    self._log.info("stopping")
                    term.close()
                    return
                term.lifecycle_log.starting()
                self._web.start()  # from now on a scrape finds everything; until then it waits
                term.lifecycle_log.adopted(self._config)
                term.start()
            self._ready = True
            self._serve()
            term.stop()
        finally:
            self._web.stop()
        term.close()

    def _run_replica(self, replica: Replica) -> None:
        self._log.info("starting", version=__version__, config=self._config.file, state=self._config.state.url)
        self._web.start()
        self._ready = True
        replica.start(self.stop)
        self._serve()
        replica.stop()
        self._web.stop()
        if replica.keeper.failure is not None:
            raise replica.keeper.failure

    def _serve(self) -> None:
        """Reload when asked, until the end."""
        if self._watch:
            self._watch.start(self._reloads.ask, self._stopping)
        # A thread of its own, so that no stop waits for a large fleet.
        threading.Thread(target=self._reloads.run, args=(self._stopping,), name="reload", daemon=True).start()
        self._stopping.wait()
        self._log.info("stopping")
        self._ready = False

    def _begin(self, lease: Lease | None = None) -> Term:
        clocks = self._clocks
        if lease is not None:
            clocks = Clocks(wall=lease.keeper.time.wall, monotonic=clocks.monotonic)
        return Term(
            self._config,
            self._options,
            self._log,
            self._environ,
            webhooks=bool(self._secrets),
            clocks=clocks,
            lease=lease,
            inbox=self._replica.inbox.watch if self._replica and self._replica.inbox else None,
        )

    @property
    def _term(self) -> Term | None:
        """What leads now: with a file always the same, None on a standby."""
        return self._replica.leader.shown if self._replica else self._only

    def _webhooks(self) -> Webhooks | None:
        if self._secrets is None:
            return None
        if self._replica is not None and self._replica.inbox is not None:
            return Webhooks(self._replica.inbox, self._secrets.current, self._replica.inbox.count)
        return Webhooks(OwnInbox(lambda: self._only.engine), self._secrets.current, self._count_webhook)

    def stop(self) -> None:
        """End `run`, as SIGTERM does."""
        self._stopping.set()
        self._reloads.ask()  # so that nobody waits for another

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        shown = self._term or self._standby
        return shown.exposition(openmetrics=openmetrics, gzip=gzip)

    def overview(self) -> Overview:
        term = self._term
        projects, workflows, now = term.figures.read() if term else ((), (), None)
        return Overview(
            version=__version__,
            started_at=self._started_at,
            shard=self._options.shard,
            total_shards=self._options.total_shards,
            config_file=str(self._options.config_file) if self._options.config_file else None,
            reloaded_at=self._reloads.good_at,
            reload_ok=self._reloads.good,
            api=term.api() if term else figures.NO_API,
            projects=projects,
            workflows=workflows,
            now=now,
            compared=term.compared() if term else None,
            stands_by=term is None,
        )

    def ready(self) -> bool:
        """Whether stored state is loaded and the scheduler runs; of a replica, whether it could take over."""
        return self._ready and (self._replica is None or self._replica.keeper.reached)

    def reload(self) -> tuple[bool, str] | None:
        """Reload the configuration for the HTTP route; None if the route is not enabled."""
        return self._reloads.reload() if self._options.lifecycle else None

    def _count_incident(self, kind: str) -> None:
        """Count what a client of the web side did; a standby shows no such number."""
        term = self._term
        if term is not None:
            term.engine.telemetry.web_incident(kind)

    def _count_webhook(self, event: str, result: str) -> None:
        count = self._only.count_webhook
        assert count is not None  # noqa: S101  there is a secret
        count(event, result, 1)

    def _adopt(self, config: Config) -> None:
        """Change what leads now, and what will. Raises ConfigError, StartError or Stopped."""
        with self._replica.leader.steady if self._replica else nullcontext():
            problems = fixed.changes(self._config, config)
            if problems:
                raise ConfigError(problems)
            term = self._term
            if term is not None:
                term.change(config)
            else:
                read_token(config.circleci, self._environ)  # as at the start of a standby
            self._config = config
