"""Asks the light question while CircleCI is not reached: the next poll may be an hour away, or held until then."""

from __future__ import annotations

from collections.abc import Callable

from exporter.insights.collectors import LISTING
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts
from exporter.polling.kind import Poll

LOOK_EVERY = 1.0
SOONEST, LATEST = 1.0, 300.0
"""Seconds until the light question is asked again: doubled each time."""


class Reachability:
    """Looks every second whether the newest request was answered; if not, asks at growing gaps up to five minutes.

    It asks at once with another token, or by other settings. The client counts the request, sets
    `circleci_exporter_up` and holds all other questions while this one is not answered.
    """

    def __init__(self, attempts: Attempts, reached: Callable[[], None]) -> None:
        """`reached` is called whenever CircleCI can be asked."""
        self._attempts, self._reached = attempts, reached
        self._gap = SOONEST
        self._next = 0.0
        self._means: object = None

    def job(self) -> Job:
        """What the schedule runs; no slug has this name."""
        return Job("reachability", LISTING.name, lambda: LOOK_EVERY, lambda _missing_only: self._begin(), light=True)

    def step(self) -> bool:
        """Ask once; returns that there is no more to do."""
        self._means = self._attempts.client.means
        self._attempts.client.ask_lightly()
        self._next, self._gap = self._attempts.clocks.monotonic() + self._gap, min(2 * self._gap, LATEST)
        return False

    def _begin(self) -> Poll | None:
        client, now = self._attempts.client, self._attempts.clocks.monotonic()
        if client.lost is None:
            self._reached()
        if self._attempts.telemetry.up.value != 0:
            self._means, self._gap = None, SOONEST
            return None
        if self._means is None:
            self._means, self._next, self._gap = client.means, now + SOONEST, 2 * SOONEST
        return self if now >= self._next or client.means != self._means else None
