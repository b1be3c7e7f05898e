"""The time that the scheduler goes by: seconds of the monotonic clock, which no step of the wall clock moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


class SteadyTime(tzinfo):
    """A time zone in which it is now what the monotonic clock says: APScheduler asks its zone for the time.

    Its dates mean nothing to a person; they only follow each other as seconds pass.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds that never go back."""
        self._monotonic = monotonic

    def at(self, moment: float) -> datetime:
        """The date of a moment of the monotonic clock."""
        return (_ORIGIN + timedelta(seconds=moment)).replace(tzinfo=self)

    def fromutc(self, _: datetime) -> datetime:
        """What `datetime.now` asks a zone for."""
        return self.at(self._monotonic())

    def utcoffset(self, _: datetime | None) -> timedelta:
        """None: all of its dates are in this zone."""
        return timedelta(0)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, _: datetime | None) -> str:
        return "steady"
