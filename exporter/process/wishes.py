"""Requests of signals and of a changed file to the main thread: a stop goes first, pending reloads are merged."""

from __future__ import annotations

import threading
from typing import Literal


class Wishes:
    """Handed from any thread to the one that waits."""

    def __init__(self) -> None:
        """Start without a wish."""
        self._changed = threading.Condition()
        self._stop = self._reload = False

    def stop(self) -> None:
        """Ask for the end."""
        with self._changed:
            self._stop = True
            self._changed.notify()

    def reload(self) -> None:
        """Ask for a reload; one that has not started yet serves for this too."""
        with self._changed:
            self._reload = True
            self._changed.notify()

    def wait(self) -> Literal["stop", "reload"]:
        """Wait for the next wish."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._reload)
            if self._stop:
                return "stop"
            self._reload = False
            return "reload"
