"""The newest commit that this process has seen, whoever made it: what lacks it is an older copy of the database."""

from __future__ import annotations

import threading

from exporter.state.postgres.lease_table import Hold, Newest


class Commits:
    """Those of one place. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.newest = Newest()

    def saw(self, hold: Hold, number: int) -> None:
        """Note the number of a commit under a lease."""
        self.look(Newest(hold.epoch, number, number))

    def look(self, found: Newest) -> Newest | None:
        """Note what the database says; where it lacks a commit, return what was known."""
        with self._lock:
            known = self.newest
            if found.epoch >= known.epoch:
                self.newest = found._replace(commits=max(found.commits, known.commits))
            return known if found.lacks(known) else None
