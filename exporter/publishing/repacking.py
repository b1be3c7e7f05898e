"""What was published is compressed, fast and at once, and quiet blocks again, as small as possible; one thread.

A change takes its project out of the fragment of its neighbors. What has stayed as it is for a while is compressed
anew, one block at a time, in time that nobody needs. The thread has the priority of the others: it needs the
interpreter now and then, and whoever waits for a core while holding that holds up all of them. At the lowest priority,
with two busy processes beside it on two cores, scrapes took up to 0.5 s while blocks were packed, and 0.1 s without.
Its share of a core is bounded instead.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.publishing.store import Place, SnapshotStore
    from exporter.system.logs import Logger

LOOK_EVERY = 30.0
"""Seconds between two looks. A block that is the same at two of them is quiet."""
AGAIN_AFTER = 900.0
"""Seconds until the same place is packed again."""
SHARE = 0.1
"""Of one core, at most, to pack quiet blocks again."""
STOP_WITHIN = 1.0
"""Seconds in which a stop is seen."""
DEFECT_PAUSE = 60.0
"""Seconds until it is tried again after an unexpected error. Scrapes and changes compress what is new meanwhile."""


class Repacker:
    """Compresses what is fresh, and looks for blocks that are worth packing again; one thread."""

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
        self._look_every, self._defect_pause = look_every, defect_pause
        self._count_failure = failed
        self._seen: dict[Place, int] = {}
        self._packed_at: dict[Place, float] = {}

    def start(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        threading.Thread(target=self._run, args=(stop,), name="repacker", daemon=True).start()

    def look(self, wait: Callable[[float], bool]) -> int:
        """Pack what is quiet and loose; returns how many blocks. `wait` pauses after each, and says when to end."""
        blocks = list(self._store.blocks())
        before, self._seen = self._seen, {place: id(block) for place, block in blocks}
        self._packed_at = {place: at for place, at in self._packed_at.items() if place in self._seen}
        packed = 0
        while blocks:
            place, block = blocks.pop()  # holds no block longer than needed
            began = self._monotonic()
            due = self._packed_at.get(place, began - AGAIN_AFTER) + AGAIN_AFTER <= began
            if due and before.get(place) == id(block) and block.is_loose:
                repacked = block.repacked()
                if self._store.exchange(place, block, repacked):
                    self._seen[place], self._packed_at[place] = id(repacked), began
                    packed += 1
                if wait((self._monotonic() - began) * (1 / SHARE - 1)):
                    break
        return packed

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
