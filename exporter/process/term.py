"""Everything that is made from the state, from its reading to its end.

A process with a state file, or with none, has one for its whole life. One of several replicas on a database begins one
each time that it takes the lease, and each begins with nothing but what the database knows.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import InternalError, StateError
from exporter.insights.collectors import LISTING
from exporter.polling.attempt import SYSTEM_CLOCKS, Clocks
from exporter.polling.reachability import Reachability
from exporter.polling.schedule import Schedule
from exporter.process import figures, sources
from exporter.process.engine import Engine
from exporter.process.fleet import Fleet
from exporter.process.lifecycle_log import LifecycleLog
from exporter.process.organizations import Organizations
from exporter.process.project_list import ProjectList
from exporter.publishing.repacking import Repacker
from exporter.publishing.scrape import scrape
from exporter.web.http.incidents import KINDS
from exporter.web.webhooks import EVENTS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.config import Config
    from exporter.process.fixed import Options
    from exporter.process.lease import Lease
    from exporter.process.shared_inbox import InboxWatch
    from exporter.system.logs import Logger
    from exporter.web.page.overview import ApiView, ComparedView

    Inbox = Callable[[Engine, Callable[[str, str, int], None] | None], InboxWatch]

CLOSING_SECONDS = 0.5


class Term:
    """What asks CircleCI and what is shown of it."""

    def __init__(
        self,
        config: Config,
        options: Options,
        log: Logger,
        environ: Mapping[str, str],
        *,
        webhooks: bool,
        clocks: Clocks = SYSTEM_CLOCKS,
        lease: Lease | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        """Build everything; nothing runs yet, and no project is known. Raises ConfigError, StartError or StateError.

        One of several replicas has a lease, and `inbox` makes its watch on what they share of webhooks.
        """
        shard, total = options.shard, options.total_shards
        self._log, self.lease = log, lease
        self.engine = engine = Engine(
            config, log, shard=shard, total_shards=total, environ=environ, clocks=clocks, lease=lease
        )
        with ExitStack() as undo:
            undo.callback(engine.close)
            engine.state.show_up()
            for kind in KINDS:
                engine.telemetry.web_incident(kind, 0)  # so that `increase()` sees the first one
            self._sources = [
                source(config, sources.parts(engine))
                for source in sources.SOURCES
                if shard == 0  # of several shards one reads what is of no project
            ]
            self.count_webhook = None
            if webhooks and (inbox is None or shard == 0):  # of several shards one shows what all have counted
                self.count_webhook = engine.telemetry.webhooks(EVENTS, RESULTS)
            self._watch = inbox(engine, self.count_webhook) if inbox else None
            self._schedule = Schedule(
                engine.telemetry,
                log,
                size=engine.polls_at_once,
                clocks=clocks,
                held=lambda: engine.client.lost is not None,
            )
            self._fleet = Fleet(engine, self._schedule)
            self._projects = ProjectList(engine.store, engine.telemetry, shard=shard, total_shards=total)
            self._organizations = Organizations(engine, self._projects, self._schedule, self._fleet.settle)
            self.lifecycle_log = LifecycleLog(engine.store, config, log, shard=shard, total_shards=total)
            self.figures = figures.PageFigures(
                engine.store, lambda: self._schedule.due, config.circleci.url, engine.clocks.wall
            )
            self._wanted = self._organizations.restore(config)
            engine.telemetry.reloaded(good=True)
            undo.pop_all()  # the state stays open

    @property
    def stale(self) -> str:
        """Why the database may hold something else than this term knows; empty while it does not."""
        return self.engine.database.stale if self.engine.database is not None else ""

    def restore(self) -> None:
        """Read and show what the state knows; once, before the start. Raises StateError."""
        with ExitStack() as undo:
            undo.callback(self.engine.close)
            self._fleet.restore(self._wanted)
            with nullcontext() if self.lease else suppress(StateError):  # of a file, what it has is shown later
                for source in self._sources:
                    source.restore()
            if self.lease:  # what was read is of one database, and that has the newest commit
                self.engine.state.verify()
            undo.pop_all()
        self._wanted = ()

    def start(self) -> None:
        self._fleet.start()
        self._organizations.start()
        reachability = Reachability(self.engine.attempts, self._schedule.release)
        self._schedule.add(reachability.job(), self.engine.clocks.wall())
        self._schedule.start(self._each_second)
        for source in self._sources:
            source.start()
        if self._watch is not None:
            self._watch.start()
        failed = partial(self.engine.telemetry.failed, LISTING.name, InternalError.reason)
        Repacker(self.engine.store, self._log, failed=failed).start(self.engine.stop)

    def stop(self) -> None:
        self.engine.stop.set()
        self._schedule.stop()
        for source in self._sources:
            source.stop()

    def close(self) -> None:
        """Let go of the state. What a disk or database holds up is not waited for: it is as good as after a crash."""
        thread = threading.Thread(target=self.engine.close, name="closing", daemon=True)
        thread.start()
        thread.join(CLOSING_SECONDS)

    def change(self, config: Config) -> None:
        """Adopt another configuration. Raises ConfigError or StartError; then nothing has changed."""
        beside = (source.prepare for source in self._sources)
        for adopt in [prepare(config) for prepare in (self.engine.prepare, self._organizations.prepare, *beside)]:
            adopt()

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        beside = [source.shown for source in self._sources]
        return scrape(self.engine.store, self.engine.telemetry, openmetrics=openmetrics, gzip=gzip, beside=beside)

    def api(self) -> ApiView:
        engine = self.engine
        return figures.api_view(engine.telemetry, engine.limiter.state().rate, engine.client.lost)

    def compared(self) -> ComparedView | None:
        return sources.compared(self._sources)

    def _each_second(self) -> None:
        self._fleet.expire()
        self._fleet.count_watched()
        self.lifecycle_log.look()
        if self.lease is not None and self.engine.database is not None:
            self.engine.database.show_reachable(self.lease.keeper.reachable)
            self.lease.keeper.note_pause(self.engine.limiter.state().paused_until)
