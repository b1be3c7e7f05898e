"""Reads the Usage exports of all organizations, on a schedule of its own, so that nothing else waits for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from exporter.config import Config
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts
from exporter.polling.schedule import Schedule
from exporter.publishing.beside import Beside, beside
from exporter.publishing.store import SnapshotStore
from exporter.state.usage_store import UsageStore
from exporter.usage import identity
from exporter.usage.api import UsageApi
from exporter.usage.columns import FIELDS
from exporter.usage.families import COLLECTOR
from exporter.usage.lines import sample_lines
from exporter.usage.organization import Means, OrganizationExports

STEPS_AT_ONCE = 4


class UsageExports:
    """What a scrape has of Usage exports; `shown` is swapped whole."""

    def __init__(  # noqa: PLR0917  the parts of a process, in the order of its layers
        self,
        config: Config,
        attempts: Attempts,
        store: SnapshotStore,
        state: UsageStore,
        stop: threading.Event,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Ask nothing yet; every wait ends at `stop`. Raises ConfigError or StartError, as the client does."""
        self._config, self._attempts, self._stop, self._environ = config, attempts, stop, environ
        self._lock = threading.RLock()
        self._schedule: Schedule | None = None
        self._organizations: dict[str, OrganizationExports] = {}
        self._dropped: dict[str, int] = {}
        self.shown = Beside()
        self._api: UsageApi | None = None
        self._open(config)
        self._means = Means(
            attempts, store, state, stop, self._current_api, lambda: self._config, self._publish, threading.Lock()
        )

    def start(self) -> None:
        """Read what is due, and then when it is; without an organization do nothing."""
        with self._lock:
            if not self._config.usage.organizations or self._schedule is not None:
                return
            attempts = self._attempts
            attempts.telemetry.fails_as(COLLECTOR, (*FIELDS, *identity.FIELDS))
            self._schedule = Schedule(
                attempts.telemetry,
                attempts.log,
                size=STEPS_AT_ONCE,
                clocks=attempts.clocks,
                late=lambda _: None,  # or it would hide how late the polls of projects are
            )
            self._settle()
            self._schedule.start(lambda: None)

    def change(self, config: Config) -> None:
        """Adopt other settings: an organization that is no longer listed is no longer shown. Raises as above."""
        with self._lock:
            if self._api is None or config.circleci != self._config.circleci:
                self._open(config)
            self._config = config
            self.start()
            self._settle()
            self._publish()

    def stop(self) -> None:
        """Ask no more. Requests under way end with the stop event."""
        if self._schedule is not None:
            self._schedule.stop()

    def _current_api(self) -> UsageApi:
        api = self._api
        if api is None:
            raise RuntimeError("no organization was ever listed")
        return api

    def _open(self, config: Config) -> None:
        """Ask by these settings from now on, if there is an organization to ask about."""
        if config.usage.organizations:
            before, self._api = self._api, UsageApi(config, self._environ, self._attempts.telemetry, self._stop)
            if before is not None:
                before.close()

    def _settle(self) -> None:
        """Read exactly the organizations of the settings; called with the lock held."""
        if self._schedule is None:
            return
        wanted = self._config.usage.organizations
        for slug in self._organizations.keys() - set(wanted):
            del self._organizations[slug]
            self._schedule.remove(slug)
        for slug in wanted:
            if slug not in self._organizations:
                self._organizations[slug] = organization = OrganizationExports(slug, self._means)
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
