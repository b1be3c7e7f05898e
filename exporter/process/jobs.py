"""What the schedule runs: a job for each kind of poll that a project needs, and one for each organization's list.

The list of an organization's newest pipelines is read where several polled projects share it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from exporter.config import Project
from exporter.insights.collector import PROJECT_POLL
from exporter.insights.collectors import PIPELINES, polls
from exporter.knowledge.organization_lists import shared
from exporter.polling.agenda import Job
from exporter.polling.kind import Kind, Poll
from exporter.polling.organization_list import OrganizationList
from exporter.polling.schedule import Schedule
from exporter.process.engine import Engine
from exporter.publishing.store import SnapshotStore
from exporter.runs.watching import LOOK_EVERY


def job_name(slug: str, kind: str) -> str:
    """The name of a job: no slug has a space."""
    return slug if kind == PROJECT_POLL else f"{slug} {kind}"


class ProjectJobs:
    """Makes the jobs of projects that a store knows."""

    def __init__(self, kinds: Mapping[str, Kind], store: SnapshotStore, renamed: Callable[[str], None]) -> None:
        """`renamed` gets the slug of each project whose default branch a poll found to have another name."""
        self._kinds, self._store, self._renamed = kinds, store, renamed

    def of(self, project: Project) -> list[tuple[Kind, Job]]:
        """The kinds of polls of a project, each with its job."""
        kinds = {name: self._kinds[name] for name in polls(project.collectors)}
        return [(kind, self._job(project.slug, name, kind)) for name, kind in kinds.items()]

    def names(self, slug: str) -> list[str]:
        """The names of all jobs that a project may have."""
        return [job_name(slug, kind) for kind in self._kinds]

    def _job(self, slug: str, name: str, kind: Kind) -> Job:
        def interval() -> float | None:
            snapshot = self._store.get(slug)
            return kind.interval(snapshot) if snapshot else None

        def begin(missing_only: bool) -> Poll | None:
            poll = kind.begin(slug, missing_only=missing_only)
            return poll and _Watched(poll, lambda: self._default_branch(slug), lambda: self._renamed(slug))

        def in_vain() -> bool:
            """A poll that only showed what was held back did not fail: the next one has to ask."""
            snapshot = self._store.get(slug)
            outcome = snapshot.outcomes.get(name) if snapshot else None
            return name == PROJECT_POLL or outcome is None or not outcome.success

        return Job(job_name(slug, name), kind.collector, interval, begin, in_vain=in_vain)

    def _default_branch(self, slug: str) -> str:
        snapshot = self._store.get(slug)
        return snapshot.facts.default_branch if snapshot and snapshot.facts else ""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A poll that tells when one of its steps learns of a renamed default branch: other answers are missing then."""

    poll: Poll
    default_branch: Callable[[], str]
    renamed: Callable[[], None]

    def step(self) -> bool:
        before = self.default_branch()
        more = self.poll.step()
        if before and self.default_branch() != before:
            self.renamed()
        return more


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
