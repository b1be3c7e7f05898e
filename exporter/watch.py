"""Noticing that a file's content changed, also when a mounted ConfigMap swaps the symbolic link to it."""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_EVERY = 1.0


def watch(path: Path, changed: Callable[[], None], stop: threading.Event, look_every: float = LOOK_EVERY) -> None:
    """Call `changed` whenever the file's content is another one, until `stop`; a missing file is no change."""
    seen = _digest(path)

    def look() -> None:
        nonlocal seen
        while not stop.wait(look_every):
            now = _digest(path)
            if now not in {seen, None}:
                seen = now
                changed()

    threading.Thread(target=look, name="watch", daemon=True).start()


def _digest(path: Path) -> bytes | None:
    try:
        return blake2b(path.read_bytes()).digest()
    except OSError:
        return None
