"""Noticing that a file's content changed, also when a mounted ConfigMap swaps the symbolic link to it."""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_EVERY = 1.0


class Watch:
    """Keeps an eye on one file from the moment it is made: make it before the file is read for the first time."""

    def __init__(self, path: Path, look_every: float = LOOK_EVERY) -> None:
        """Remember the content; look again every so many seconds."""
        self._path, self._look_every = path, look_every
        self._seen = _digest(path)

    def start(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """Call `changed` whenever the content is another one, until `stop`; a missing file is no change."""

        def look() -> None:
            while not stop.wait(self._look_every):
                now = _digest(self._path)
                if now not in {self._seen, None}:
                    self._seen = now
                    changed()

        threading.Thread(target=look, name="watch", daemon=True).start()


def _digest(path: Path) -> bytes | None:
    try:
        return blake2b(path.read_bytes()).digest()
    except OSError:
        return None
