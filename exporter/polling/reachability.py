"""A light question while CircleCI is unreachable: the next poll may be an hour away, and a blip is no outage."""

from __future__ import annotations

from exporter.errors import PollError
from exporter.insights.collectors import LISTING
from exporter.insights.questions import Question
from exporter.polling.agenda import Job
from exporter.polling.attempt import Attempts
from exporter.polling.kind import Poll

SOONEST, LATEST = 60.0, 300.0
PATIENCE = 60.0


class Reachability:
    """Checks every minute whether the newest request was answered, and asks again if it was not.

    It asks one to two minutes after the failure, then at growing gaps up to five minutes. The client counts
    the request and sets `circleci_exporter_up`.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._down, self._unanswered = False, 0

    def job(self) -> Job:
        """What the schedule runs; no slug has this name."""
        return Job("reachability", LISTING.name, self._interval, lambda _missing_only: self._begin())

    def step(self) -> bool:
        """Ask once; returns that there is no more to do."""
        deadline = self._attempts.clocks.monotonic() + PATIENCE
        try:
            self._attempts.client.fetch(Question(LISTING.name, "/me", ""), deadline=deadline)
        except PollError:  # the client has counted it, and `up` says so
            self._unanswered += 1
        return False

    def _interval(self) -> float:
        return min(SOONEST * 2.0**self._unanswered, LATEST)

    def _begin(self) -> Poll | None:
        was_down, self._down = self._down, self._attempts.telemetry.up.value == 0
        if not self._down:
            self._unanswered = 0
        return self if was_down and self._down else None
