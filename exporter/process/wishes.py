"""Requests of signals and of a changed file: a stop waits for nobody, and reloads that nobody began are one."""

from __future__ import annotations

import threading


class Wishes:
    """Handed from any thread to the two that wait: one for the stop, one for reloads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stop = self._reload = False

    def stop(self) -> None:
        with self._changed:
            self._stop = True
            self._changed.notify_all()

    def reload(self) -> None:
        """Ask for a reload; one that has not started yet serves for this too."""
        with self._changed:
            self._reload = True
            self._changed.notify_all()

    def wait_for_stop(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stop)

    def wait_for_reload(self) -> bool:
        """Wait for the next reload; returns False at the end, whatever else is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._reload)
            self._reload = False
            return not self._stop
