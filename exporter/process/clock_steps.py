"""Steps of the system clock, which make what is stored look younger or older than it is."""

from __future__ import annotations

from exporter.polling.attempt import Clocks

SMALLEST = 1.0
"""Seconds: less is the slewing of a clock that is kept right."""


class ClockSteps:
    """Compares the wall clock with the monotonic one; used by one thread."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks, self._ahead = clocks, clocks.wall() - clocks.monotonic()

    def look(self) -> float:
        """The seconds by which the wall clock was set since the last look: below 0 when it was set back, mostly 0.

        A machine that slept looks like one whose clock was set forward: its monotonic clock stood still.
        """
        ahead = self._clocks.wall() - self._clocks.monotonic()
        step, self._ahead = ahead - self._ahead, ahead
        return step if abs(step) >= SMALLEST else 0.0
