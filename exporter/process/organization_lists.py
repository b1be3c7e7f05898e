"""The lists of organizations' newest pipelines: read where several polled projects share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.insights.collectors import PIPELINES
from exporter.knowledge.organization_lists import shared
from exporter.polling.agenda import Job
from exporter.polling.organization_list import OrganizationList
from exporter.runs.watching import LOOK_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from exporter.config import Project
    from exporter.polling.kind import Poll
    from exporter.polling.schedule import Schedule
    from exporter.process.engine import Engine


class OrganizationLists:
    """Keeps the schedule at one with the organizations whose lists are worth reading."""

    def __init__(self, engine: Engine, schedule: Schedule, wake: Callable[[Collection[str]], None]) -> None:
        """`wake` polls projects, by their slugs, at once."""
        self._attempts, self._coverage, self._wall = engine.attempts, engine.coverage, engine.clocks.wall
        self._schedule, self._wake = schedule, wake
        self._shared: dict[str, dict[str, float]] = {}

    def settle(self, projects: Iterable[Project]) -> None:
        """Read the lists that these projects share, and no others."""
        before, self._shared = self._shared, shared(projects)
        for organization in before.keys() - self._shared.keys():
            self._schedule.remove(_name(organization))
        for organization in self._shared.keys() - before.keys():
            self._schedule.add(self._job(organization), self._wall())

    def _job(self, organization: str) -> Job:
        def interval() -> float | None:
            projects = self._shared.get(organization)
            every = LOOK_EVERY * self._coverage.patience(organization)
            return every * min(projects.values()) if projects else None

        def begin(_missing_only: bool) -> Poll | None:
            projects = self._shared.get(organization)
            if not projects:
                return None
            every = min(projects.values())
            return OrganizationList(
                organization, projects.keys(), every, self._attempts, self._coverage, arrived=self._wake
            )

        return Job(_name(organization), PIPELINES, interval, begin)


def _name(organization: str) -> str:
    """The name of a job: no slug has a space."""
    return f"{organization} pipelines of all projects"
