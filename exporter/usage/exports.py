"""Reads the Usage exports of all organizations, on a schedule of its own, so that nothing else waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from exporter.client import Limiter
from exporter.config import Config
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts
from exporter.polling.schedule import Schedule
from exporter.publishing.exposition import Beside, beside
from exporter.publishing.store import SnapshotStore
from exporter.state.usage_store import UsageStore
from exporter.usage import identity
from exporter.usage.api import BURST, CONCURRENCY, RATE, UsageApi
from exporter.usage.columns import FIELDS
from exporter.usage.families import COLLECTOR
from exporter.usage.lines import sample_lines
from exporter.usage.organization import Means, OrganizationExports

STEPS_AT_ONCE, EXPORTS_AT_ONCE = 4, 2
"""Of all organizations: the others still start and look at exports while some are read slowly."""


class UsageExports:
    """What a scrape has of Usage exports; `shown` is swapped whole."""

    def __init__(
        self,
        config: Config,
        attempts: Attempts,
        store: SnapshotStore,
        state: UsageStore,
        stop: threading.Event,
    ) -> None:
        """Ask nothing yet; every wait ends at `stop`."""
        self._config, self._attempts = config, attempts
        self._lock = threading.RLock()
        self._schedule: Schedule | None = None
        self._organizations: dict[str, OrganizationExports] = {}
        self._dropped: dict[str, int] = {}
        self.shown = Beside()
        clocks = attempts.clocks
        limiter = Limiter(
            RATE,
            BURST,
            CONCURRENCY,
            stop=stop,
            clock=clocks.monotonic,
            wall=clocks.wall,
            waiter=clocks.waiter,
            steady=True,  # a refusal holds back only the organization that met it
        )
        reading = threading.BoundedSemaphore(EXPORTS_AT_ONCE)
        api = UsageApi(attempts.client, limiter)
        self._means = Means(attempts, store, state, stop, api, lambda: self._config, self._publish, reading)

    def restore(self) -> None:
        """Read and show what the state knows, before the start. Raises StateError."""
        with self._lock:
            self._settle()
            for organization in self._organizations.values():
                organization.load()

    def start(self) -> None:
        """Read what is due, and then when it is; without an organization do nothing."""
        with self._lock:
            if not self._config.usage.organizations or self._schedule is not None:
                return
            attempts, now = self._attempts, self._attempts.clocks.wall()
            attempts.telemetry.fails_as(COLLECTOR, (*FIELDS, *identity.FIELDS))
            self._schedule = Schedule(
                attempts.telemetry,
                attempts.log,
                size=STEPS_AT_ONCE,
                clocks=attempts.clocks,
                late=lambda _: None,  # or it would hide how late the polls of projects are
            )
            for organization in self._organizations.values():
                self._schedule.add(self._job(organization), now)
            self._schedule.start(lambda: None)

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready for other settings, which the call of what is returned adopts; the client has its own."""
        return lambda: self._adopt(config)

    def _adopt(self, config: Config) -> None:
        """An organization that is no longer listed is no longer shown."""
        with self._lock:
            self._config = config
            self._settle()
            self.start()
            self._publish()

    def stop(self) -> None:
        """Ask no more. Requests under way end with the stop event."""
        if self._schedule is not None:
            self._schedule.stop()

    def _settle(self) -> None:
        """Read exactly the organizations of the settings; called with the lock held."""
        wanted = self._config.usage.organizations
        for slug in self._organizations.keys() - set(wanted):
            del self._organizations[slug]
            if self._schedule is not None:
                self._schedule.remove(slug)
        for slug in wanted:
            if slug not in self._organizations:
                self._organizations[slug] = organization = OrganizationExports(slug, self._means)
                if self._schedule is not None:
                    self._schedule.add(self._job(organization), self._attempts.clocks.wall())

    def _job(self, organization: OrganizationExports) -> Job:
        def interval() -> float | None:
            return organization.wait if self._organizations.get(organization.slug) is organization else None

        def begin(_missing: bool) -> OrganizationExports | None:
            return None if interval() is None else organization

        return Job(organization.slug, COLLECTOR, interval, begin)

    def _publish(self) -> None:
        with self._lock:
            defaults = self._config.defaults
            shown = [each.shown for each in self._organizations.values()]
            lines = sample_lines(shown, defaults.pipelines.wait_buckets, defaults.max_series)
            for slug, count in lines.dropped.items():
                if count and not self._dropped.get(slug):
                    self._attempts.log.warning(
                        "limit exceeded, usage dropped", organization=slug, reason="max_series", count=count
                    )
            self._dropped = dict(lines.dropped)
            self.shown = beside(lines.families)
