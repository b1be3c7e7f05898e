"""Reads the Usage exports of all organizations, on a schedule of its own, so that nothing else waits for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from exporter.config import Config, write_duration
from exporter.errors import PollError
from exporter.polling.agenda import Job
from exporter.polling.source import Examined, Parts, Shown, Source
from exporter.usage import identity, planning
from exporter.usage.api import BURST, CONCURRENCY, RATE, UsageApi
from exporter.usage.columns import FIELDS
from exporter.usage.comparing import Reconciled
from exporter.usage.families import COLLECTOR, FAMILIES
from exporter.usage.lines import sample_lines
from exporter.usage.organization import OrganizationExports

EXPORTS_AT_ONCE = 2
"""Of all organizations: the others still start and look at exports while some are read slowly."""

REMEDIES = {"not_found": "The slug is wrong, or the token's user is no member of the organization."}


class UsageExports(Source[str]):
    """What a scrape has of Usage exports, by the slugs of organizations."""

    title, is_failing, has_recovered = "Usage export", "the Usage export is failing", "the Usage export recovered"
    is_cut = "limit exceeded, usage dropped"
    collector, families, fields, threads = COLLECTOR, FAMILIES, (*FIELDS, *identity.FIELDS), 4
    remedies = REMEDIES

    def __init__(self, config: Config, parts: Parts) -> None:
        """Ask nothing yet."""
        super().__init__(config, parts)
        self._organizations: dict[str, OrganizationExports] = {}
        # Steady: a refusal holds back only the organization that met it.
        limiter = parts.limiter(RATE, BURST, CONCURRENCY, steady=True)
        self._api, self._reading = UsageApi(parts.attempts.client, limiter), threading.BoundedSemaphore(EXPORTS_AT_ONCE)

    @classmethod
    def examine(cls, config: Config, parts: Parts) -> Iterator[Examined]:
        """Say which days the next export of each organization would have, and start none."""
        for slug in config.usage.organizations:
            subject, what, attempts = {"organization": slug}, f"Usage export of {slug}", parts.attempts
            try:
                found = {"id": identity.find(slug, identity.polled(slug, config, parts.store), attempts)}
            except PollError as error:
                yield Examined(subject, what, failure=error)
                continue
            today = planning.day_of(attempts.clocks.wall() - attempts.ahead())
            told = f"{what} (organization ID {found['id']})"
            if window := planning.window_of(planning.Progress(), today):
                days = [planning.written(moment)[:10] for moment in (window.first, window.end - 1)]
                every = write_duration(config.usage.interval)
                found |= {"first_day": days[0], "last_day": days[1], "interval": every}
                told += f": {days[0]} to {days[1]} first, then every {every} until yesterday's figures are in."
            yield Examined(subject, what, found, told)

    def restore(self) -> None:
        with self.lock:
            self.settle()
            for organization in self._organizations.values():
                organization.load()

    def wanted(self) -> tuple[str, ...]:
        wanted = self.config.usage.organizations
        known = self._organizations
        self._organizations = {
            slug: known.get(slug) or OrganizationExports(slug, self, self._api, self._reading) for slug in wanted
        }
        return wanted

    def job(self, key: str) -> Job:
        organization = self._organizations[key]

        def interval() -> float | None:
            return organization.wait if self._organizations.get(key) is organization else None

        def begin(_missing: bool) -> OrganizationExports | None:
            return None if interval() is None else organization

        return Job(key, COLLECTOR, interval, begin)

    def named(self, key: str) -> Mapping[str, str]:
        return {"organization": key}

    def reconciled(self) -> list[Reconciled]:
        """What came of the newest days that were held against the ledgers, by organization."""
        return [each.shown.reconciled for each in self._organizations.values()]

    def lines(self) -> Shown:
        defaults = self.config.defaults
        shown = [each.shown for each in self._organizations.values()]
        return sample_lines(shown, defaults.pipelines.wait_buckets, defaults.max_series)
