"""What polls log: when a failure starts and when it ends, not at every poll in between."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from exporter.config import Project
from exporter.errors import PollError, UnauthorizedError
from exporter.insights.collector import PROJECT_POLL
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.system.logs import Logger

OF_ALL: Final = {kind.reason for kind in PollError.__subclasses__() if kind.of_all}
"""Reasons for which all projects may fail at once, which is logged once for all."""


class FailureLog:
    """One for all polls of a process, used from many threads."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._lost = self._refused = False
        self._failing: dict[str, bool] = {}
        self._limited: set[tuple[str, str, str]] = set()

    def contact(self, failure: PollError | None) -> None:
        """Log that CircleCI refuses the token or cannot be reached, and the end of that, as the light question found.

        It concerns every project alike.
        """
        refused = isinstance(failure, UnauthorizedError)
        with self._lock:
            was_lost, was_refused = self._lost, self._refused
            self._lost, self._refused = failure is not None, refused or (was_refused and failure is not None)
        if failure is None:
            if was_refused:
                self._log.info("CircleCI accepts the token again")
            elif was_lost:
                self._log.info("CircleCI answers again")
        elif refused and not was_refused:
            self._log.error("CircleCI rejects the token", error=str(failure))
        elif not was_lost:
            self._log.warning("CircleCI cannot be reached", reason=failure.reason, error=str(failure))

    def outcomes(self, before: Snapshot, after: Snapshot) -> None:
        """Log a project that starts to fail, or that recovers: once, not at every poll, and not while all fail.

        A collector that failed before and was not asked since may have failed while all did: that is no news.
        """
        failing, failed = _failures(after), _failures(before)
        slug, project = after.project.slug, after.project.name
        news = [pair for pair in failing if pair not in failed]
        with self._lock:  # two polls of one project may end at the same time: one of them logs
            if self._lost:
                return
            logged = self._failing.get(slug)
            if logged is None:  # by another process, at most
                logged = not failing and any(outcome.reason not in OF_ALL for _, outcome in failed)
            if news or not failing:
                self._failing[slug] = bool(failing)
        if news and not logged:
            name, outcome = news[0]
            self._log.warning(
                "project is failing", project=project, collector=name, reason=outcome.reason, error=outcome.error
            )
        elif logged and not failing:
            self._log.info("project recovered", project=project)

    def dropped(self, before: Snapshot, after: Snapshot, poll: str = PROJECT_POLL) -> None:
        """Log a project that exceeds a limit with what a kind of poll shows, once while that lasts."""
        project = after.project
        for reason, count in after.dropped.items():
            dropped, key = count - before.dropped.get(reason, 0), (project.slug, reason, poll)
            with self._lock:
                known = key in self._limited
                (self._limited.add if dropped else self._limited.discard)(key)
            if dropped and not known:
                self._log.warning("limit exceeded, data dropped", project=project.name, reason=reason, count=dropped)

    def set_aside(self, project: Project, pipeline: str, error: str) -> None:
        """Log a pipeline that CircleCI fails to tell of, while it answers other questions."""
        self._log.warning("pipeline set aside", project=project.name, pipeline=pipeline, error=error)

    def missed(self, project: Project, runs: Iterable[str]) -> None:
        """Log workflow runs that only Insights has told of."""
        for run in runs:
            self._log.warning("run missed until Insights showed it", project=project.name, workflow_id=run)

    def forget(self, slugs: Iterable[str]) -> None:
        """Forget projects that were removed: if they come back, their failures are logged again."""
        gone = set(slugs)
        with self._lock:
            for slug in gone:
                self._failing.pop(slug, None)
            self._limited = {key for key in self._limited if key[0] not in gone}


def _failures(snapshot: Snapshot) -> list[tuple[str, Outcome]]:
    return [(collector, outcome) for collector, outcome in snapshot.outcomes.items() if not outcome.success]
