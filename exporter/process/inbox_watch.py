"""The leader's look into the database's inbox: hints that any replica has taken, and how many webhooks came."""

from __future__ import annotations

import threading
from collections.abc import Callable

from exporter.errors import StateError, Stopped
from exporter.insights.collectors import PIPELINES
from exporter.process.engine import Engine
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.login import UnreachableError, reach

EVERY = 1.0


class InboxWatch:
    """Looks every second, or when it is hurried. The state logs that the database cannot be reached."""

    def __init__(self, engine: Engine, arrivals: Arrivals, counted: Callable[[str, str, int], None] | None) -> None:
        """`counted` gets event, result and how many webhooks came since the last look; None shows no such numbers."""
        self._inbox, self._store, self._arrivals = engine.inbox, engine.store, arrivals
        self._stop, self._log, self._counted = engine.stop, engine.log, counted
        self._totals: dict[tuple[str, str], int] = {}
        self._hurry = threading.Event()
        if counted:
            self._count()  # so that the first scrape has the totals

    def start(self) -> None:
        """Look from now on, until the term ends."""
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def hurry(self) -> None:
        self._hurry.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._hurry.wait(EVERY)
            self._hurry.clear()
            try:
                self._look()
            except (StateError, Stopped, UnreachableError):
                continue  # it is said elsewhere, and the next look may find it again
            except Exception:  # noqa: BLE001  a defect ends one look, not the watch
                self._log.exception("unexpected error", task="inbox")

    def _look(self) -> None:
        self._inbox.look(
            {slug for slug, (snapshot, _) in self._store.published.items() if PIPELINES in snapshot.project.collectors}
        )
        if self._counted:
            self._count()

    def _count(self) -> None:
        with reach():
            totals = self._arrivals.totals()
        if self._counted:
            for (event, result), requests in totals.items():
                # Fewer than before are those of an older copy, which this term will not outlive.
                self._counted(event, result, max(0, requests - self._totals.get((event, result), 0)))
        self._totals = totals
