"""What polls log: when something starts and when it ends, not at every poll in between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter.errors import UnauthorizedError

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from exporter.knowledge.snapshots import Outcome, Snapshot


class FailureLog:
    """One for all polls of a process, used from many threads."""

    def __init__(self, log: BoundLogger) -> None:
        """Start with nothing told."""
        self._log = log
        self._lock = threading.Lock()
        self._refused = False
        self._failing: dict[str, bool] = {}
        self._cut: set[tuple[str, str]] = set()

    def outcomes(self, before: Snapshot, after: Snapshot) -> None:
        """Log a project that starts to fail, or that recovers: once, not at every poll.

        A refused token concerns every project alike and is logged once for all of them.
        """
        failing, failed = _failures(after), _failures(before)
        refused = [outcome for _, outcome in failing if outcome.reason == UnauthorizedError.reason]
        if refused:
            if not self._refused:
                self._refused = True
                self._log.error("CircleCI refuses the token", error=refused[0].error)
            return
        if self._refused and not failing:
            self._refused = False
            self._log.info("CircleCI takes the token again")
        slug, project = after.project.slug, after.project.name
        failed = [(name, outcome) for name, outcome in failed if outcome.reason != UnauthorizedError.reason]
        with self._lock:  # two polls of one project may end at the same time: one of them tells
            told = self._failing.get(slug)
            self._failing[slug] = bool(failing)
        if failing and not told:
            name, outcome = failing[0]
            self._log.warning(
                "project fails", project=project, collector=name, reason=outcome.reason, error=outcome.error
            )
        elif not failing and (bool(failed) if told is None else told):
            self._log.info("project recovered", project=project)

    def left_out(self, before: Snapshot, after: Snapshot) -> None:
        """Log a project of which something is left out, once while that lasts."""
        project = after.project
        for reason, count in after.dropped.items():
            left_out = count - before.dropped.get(reason, 0)
            if left_out and (project.slug, reason) not in self._cut:
                self._cut.add((project.slug, reason))
                self._log.warning("something is left out", project=project.name, reason=reason, count=left_out)
            elif not left_out:
                self._cut.discard((project.slug, reason))


def _failures(snapshot: Snapshot) -> list[tuple[str, Outcome]]:
    return [(collector, outcome) for collector, outcome in snapshot.outcomes.items() if not outcome.success]
