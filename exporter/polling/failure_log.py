"""What polls log: when a failure starts and when it ends, not at every poll in between."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from exporter.config import Project
from exporter.errors import ClientError, NotFoundError, PaginationError, PayloadError, TooLargeError, UnauthorizedError
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.system.logs import Logger

REJECTED: Final = UnauthorizedError.reason
ANSWERED: Final = {kind.reason for kind in (ClientError, NotFoundError, PaginationError, PayloadError, TooLargeError)}
"""Failures that only a CircleCI that accepts the token answers with."""


class FailureLog:
    """One for all polls of a process, used from many threads."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._rejected = False
        self._failing: dict[str, bool] = {}
        self._limited: set[tuple[str, str]] = set()

    def outcomes(self, before: Snapshot, after: Snapshot) -> None:
        """Log a project that starts to fail, or that recovers: once, not at every poll.

        A rejected token concerns every project alike and is logged once for all of them.
        """
        failing, failed = _failures(after), _failures(before)
        rejected = [outcome for _, outcome in failing if outcome.reason == REJECTED]
        if rejected:
            if self._token(rejected=True):
                self._log.error("CircleCI rejects the token", error=rejected[0].error)
            return
        if _accepted(before, after) and self._token(rejected=False):
            self._log.info("CircleCI accepts the token again")
        slug, project = after.project.slug, after.project.name
        with self._lock:  # two polls of one project may end at the same time: one of them logs
            logged = self._failing.get(slug)
            self._failing[slug] = bool(failing)
        if logged is None:
            logged = any(outcome.reason != REJECTED for _, outcome in failed)
            if failing:
                logged = False  # by another process, at most
        if failing and not logged:
            name, outcome = failing[0]
            self._log.warning(
                "project is failing", project=project, collector=name, reason=outcome.reason, error=outcome.error
            )
        elif logged and not failing:
            self._log.info("project recovered", project=project)

    def dropped(self, before: Snapshot, after: Snapshot) -> None:
        """Log a project that exceeds a limit, once while that lasts."""
        project = after.project
        for reason, count in after.dropped.items():
            dropped, key = count - before.dropped.get(reason, 0), (project.slug, reason)
            with self._lock:
                known = key in self._limited
                (self._limited.add if dropped else self._limited.discard)(key)
            if dropped and not known:
                self._log.warning("limit exceeded, data dropped", project=project.name, reason=reason, count=dropped)

    def set_aside(self, project: Project, pipeline: str, error: str) -> None:
        """Log a pipeline that CircleCI fails to tell of, while it answers other questions."""
        self._log.warning("pipeline set aside", project=project.name, pipeline=pipeline, error=error)

    def forget(self, slugs: Iterable[str]) -> None:
        """Forget projects that were removed: if they come back, their failures are logged again."""
        gone = set(slugs)
        with self._lock:
            for slug in gone:
                self._failing.pop(slug, None)
            self._limited = {key for key in self._limited if key[0] not in gone}

    def _token(self, *, rejected: bool) -> bool:
        """Note what CircleCI said about the token; returns whether that is new."""
        with self._lock:
            changed, self._rejected = self._rejected is not rejected, rejected
            return changed


def _failures(snapshot: Snapshot) -> list[tuple[str, Outcome]]:
    return [(collector, outcome) for collector, outcome in snapshot.outcomes.items() if not outcome.success]


def _accepted(before: Snapshot, after: Snapshot) -> bool:
    """Whether a poll shows that CircleCI accepts the token, even if the poll failed for another reason."""
    new = (outcome for name, outcome in after.outcomes.items() if outcome is not before.outcomes.get(name))
    return any(outcome.success or outcome.reason in ANSWERED for outcome in new)
