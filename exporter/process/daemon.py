"""The daemon: starts from a configuration, changes with a reload, ends with a signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.config import load
from exporter.errors import ConfigError, StartError, Stopped
from exporter.polling.reachability import Reachability
from exporter.polling.schedule import Schedule
from exporter.process import figures
from exporter.process.engine import Engine
from exporter.process.fleet import Fleet
from exporter.process.in_progress import InProgress
from exporter.process.lifecycle_log import LifecycleLog
from exporter.process.organizations import Organizations
from exporter.process.project_list import ProjectList
from exporter.process.sources import sources
from exporter.process.webhook_door import WebhookDoor
from exporter.process.wishes import Wishes
from exporter.publishing.repacking import Repacker
from exporter.publishing.scrape import scrape
from exporter.system.heap import share_one_heap
from exporter.system.signals import on_signals
from exporter.web.http.incidents import KINDS
from exporter.web.page.overview import Overview
from exporter.web.server import WebServer
from exporter.web.webhook_secrets import webhook_secrets
from exporter.web.webhooks import EVENTS, RESULTS, Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exporter.config import Config
    from exporter.system.file_watch import FileWatch
    from exporter.system.logs import Logger

CLOSING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of the command line that concern the daemon."""

    config_file: Path | None = None
    listen: tuple[str, ...] = (":10115",)
    telemetry_path: str = "/metrics"
    web_config: Path | None = None
    lifecycle: bool = False
    shard: int = 0
    total_shards: int = 1


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
    ) -> None:
        """Build everything, handle signals and bind addresses. Raises ConfigError or StartError; nothing runs yet.

        Call it, and `run`, from the main thread. With a `watch` on the configuration file, a change reloads it.
        """
        share_one_heap()  # before any thread starts
        self._options, self._log, self._watch = options, log, watch
        self._wishes = Wishes()
        on_signals(
            {
                signal.SIGTERM: self.stop,
                signal.SIGINT: self.stop,
                signal.SIGHUP: self._wishes.reload,
            }
        )
        secrets = webhook_secrets(config.webhooks.secret_file, environ, log)
        door = WebhookDoor(lambda: self._engine)
        self._web = WebServer(
            self,
            addresses=options.listen,
            telemetry_path=options.telemetry_path,
            web_config=options.web_config,
            log=log,
            counted=self._count_incident,
            webhooks=Webhooks(door, secrets.current, self._count_webhook) if secrets else None,
        )
        self.addresses = self._web.bind()
        self._engine = engine = Engine(
            config, log, shard=options.shard, total_shards=options.total_shards, environ=environ
        )
        for kind in KINDS:
            engine.telemetry.web_incident(kind, 0)  # so that `increase()` sees the first one
        self._sources = sources(config, engine, options.shard, environ)
        if secrets:
            self._webhook_counted = engine.telemetry.webhooks(EVENTS, RESULTS)
        self._schedule = Schedule(engine.telemetry, log, size=engine.polls_at_once)
        self._fleet = Fleet(engine, self._schedule)
        shard, total = options.shard, options.total_shards
        projects = ProjectList(engine.store, engine.telemetry, shard=shard, total_shards=total)
        self._organizations = Organizations(engine, projects, self._schedule, self._fleet.settle)
        self._lifecycle_log = LifecycleLog(
            engine.store, config, log, shard=options.shard, total_shards=options.total_shards
        )
        self._figures = figures.PageFigures(engine.store, lambda: self._schedule.due)
        self._in_progress = InProgress(engine.store, config.circleci.url)
        self._reloading = threading.Lock()
        self._started_at = time.time()
        self._reloaded_at, self._reload_ok, self._ready = self._started_at, True, False
        self._fleet.restore(self._organizations.restore(config))
        engine.telemetry.reloaded(good=True)

    def run(self) -> None:
        """Serve and poll until SIGTERM or SIGINT."""
        self._lifecycle_log.starting()
        self._web.start()
        self._fleet.start()
        self._organizations.start()
        self._schedule.add(Reachability(self._engine.attempts).job(), time.time())
        self._schedule.start(self._each_second)
        for source in self._sources:
            source.start()
        Repacker(self._engine.store, self._log).start(self._engine.stop)
        if self._watch:
            self._watch.start(self._wishes.reload, self._engine.stop)
        self._ready = True
        threading.Thread(target=self._reload_when_asked, name="reload", daemon=True).start()
        self._wishes.wait_for_stop()
        self._log.info("stopping")
        self._ready = False
        self._engine.stop.set()
        self._schedule.stop()
        for source in self._sources:
            source.stop()
        self._web.stop()
        # A write that the disk holds up is not waited for: the file is as good as after a crash, which is good.
        closing = threading.Thread(target=self._engine.close, daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)

    def stop(self) -> None:
        """End `run`, as SIGTERM does."""
        self._wishes.stop()

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        """One scrape's body, in pieces, and its length."""
        beside = [source.shown for source in self._sources]
        return scrape(self._engine.store, self._engine.telemetry, openmetrics=openmetrics, gzip=gzip, beside=beside)

    def overview(self) -> Overview:
        """What the page shows."""
        projects, workflows = self._figures.read()
        return Overview(
            version=__version__,
            started_at=self._started_at,
            shard=self._options.shard,
            total_shards=self._options.total_shards,
            config_file=str(self._options.config_file) if self._options.config_file else None,
            reloaded_at=self._reloaded_at,
            reload_ok=self._reload_ok,
            api=figures.api_view(self._engine.telemetry, self._engine.limiter.state().rate),
            projects=projects,
            workflows=workflows,
            now=self._in_progress.read(),
        )

    def ready(self) -> bool:
        """Whether the configuration is valid, stored state is loaded and the scheduler runs."""
        return self._ready

    def reload(self) -> tuple[bool, str] | None:
        """Reload the configuration for the HTTP route; None if the route is not enabled."""
        return self._reload() if self._options.lifecycle else None

    def _reload_when_asked(self) -> None:
        """Reload in a thread of its own, so that no stop waits for a large fleet."""
        while self._wishes.wait_for_reload():
            self._reload()

    def _each_second(self) -> None:
        self._fleet.expire()
        self._fleet.count_watched()
        self._lifecycle_log.look()

    def _count_incident(self, kind: str) -> None:
        """Count what a client of the web side did; nothing is served before the engine exists."""
        self._engine.telemetry.web_incident(kind)

    def _count_webhook(self, event: str, result: str) -> None:
        self._webhook_counted(event, result)

    def _reload(self) -> tuple[bool, str]:
        """Read the configuration file and, if it is valid, adopt it; an invalid one changes nothing."""
        with self._reloading:
            if self._options.config_file is None:
                return False, "there is no configuration file to reload"
            try:
                config = load(self._options.config_file)
                self._engine.change(config)
                self._organizations.change(config)
                for source in self._sources:
                    source.change(config)
            except (ConfigError, StartError) as error:
                problems = error.problems if isinstance(error, ConfigError) else (error,)
                for problem in problems:
                    self._log.error("configuration not reloaded", problem=str(problem))
                return self._not_reloaded(str(error))
            except Stopped:
                return False, "the exporter is stopping"
            except Exception as defect:  # noqa: BLE001  a defect ends one reload, not the process
                self._log.exception("unexpected error in a reload")
                return self._not_reloaded(f"internal error ({type(defect).__name__}); see the log")
            self._reload_ok, self._reloaded_at = True, time.time()
            self._engine.telemetry.reloaded(good=True)
            self._log.info(
                "configuration reloaded",
                projects=len(self._engine.store.published),
                organizations=len(config.organizations),
            )
            self._lifecycle_log.adopted(config)
            return True, "configuration reloaded"

    def _not_reloaded(self, why: str) -> tuple[bool, str]:
        self._reload_ok = False
        self._engine.telemetry.reloaded(good=False)
        return False, why
