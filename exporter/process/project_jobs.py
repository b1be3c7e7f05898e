"""What the schedule runs for a project: a job for each kind of poll that its collectors need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.insights.collector import PROJECT_POLL
from exporter.insights.collectors import polls
from exporter.polling.agenda import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.config import Project
    from exporter.polling.kind import Kind, Poll
    from exporter.publishing.store import SnapshotStore


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

        return Job(job_name(slug, name), kind.collector, interval, begin)

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
        """Do a step of the poll."""
        before = self.default_branch()
        more = self.poll.step()
        if before and self.default_branch() != before:
            self.renamed()
        return more
