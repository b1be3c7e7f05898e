"""What was published is compressed, fast and at once, and quiet blocks again, as small as possible; one thread.

The thread has the priority of the others: it needs the interpreter now and then, and whoever waits for a core while
holding that holds up all of them. At the lowest priority, with two busy processes beside it on two cores, scrapes took
up to 0.5 s while blocks were compressed again, and 0.1 s without. Its share of a core is bounded instead.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.publishing.store import SnapshotStore
    from exporter.system.logs import Logger

LOOK_EVERY = 30.0
"""Seconds between two looks at all blocks."""
SHARE = 0.1
"""Of one core, at most, to compress quiet blocks again."""
STOP_WITHIN = 1.0
"""Seconds in which a stop is seen."""
DEFECT_PAUSE = 60.0
"""Seconds until it is tried again after an unexpected error. Scrapes compress what is new meanwhile."""


class Repacker:
    """Compresses what is fresh, and looks for blocks that have become quiet; one thread."""

    def __init__(
        self,
        store: SnapshotStore,
        log: Logger,
        *,
        failed: Callable[[], None] = lambda: None,
        look_every: float = LOOK_EVERY,
        defect_pause: float = DEFECT_PAUSE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failed` is called after each unexpected error."""
        self._store, self._log, self._monotonic = store, log, monotonic
        self._look_every, self._defect_pause, self._count_failure = look_every, defect_pause, failed

    def start(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        threading.Thread(target=self._run, args=(stop,), name="repacker", daemon=True).start()

    def look(self, wait: Callable[[float], bool]) -> int:
        """Compress again what has become quiet; returns how many. `wait` pauses after each, and says when to end."""
        blocks, squeezed = self._store.blocks(), 0
        while blocks:
            block = blocks.pop()  # holds no block longer than needed
            began = self._monotonic()
            if block.look():
                block.squeeze()
                squeezed += 1
                if wait((self._monotonic() - began) * (1 / SHARE - 1)):
                    break
        if squeezed:
            self._store.rejoin()
        return squeezed

    def _run(self, stop: threading.Event) -> None:
        pause = partial(self._pause, stop)
        while not stop.is_set():
            try:
                if not pause(self._look_every):
                    self.look(pause)
            except Exception:  # noqa: BLE001  what is published stays right
                self._log.exception("unexpected error", task="compressing what was published")
                self._count_failure()
                stop.wait(self._defect_pause)

    def _pause(self, stop: threading.Event, seconds: float) -> bool:
        """Wait, and meanwhile compress what is published; returns whether it is to stop."""
        end = self._monotonic() + seconds
        while not stop.is_set():
            left = end - self._monotonic()
            if left <= 0:
                return False
            if self._store.fresh.wait(min(left, STOP_WITHIN)):
                self._store.settle()
        return True
