"""An export held against the ledger of pipelines: which job runs both must have, and what they differ in. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.config import Project
from exporter.insights.collectors import PIPELINES
from exporter.insights.payloads import Unreadable
from exporter.knowledge.organization_lists import organization_of
from exporter.knowledge.snapshots import Snapshot
from exporter.runs import watching, whole
from exporter.usage import columns

RESULTS = BOTH, EXPORT_ONLY, HERE_ONLY = "both", "export_only", "here_only"
"""Label `result`."""
TOLD = 20
"""Job runs of a project and day that are logged, of each kind of difference."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The job runs of one project that ended on one day, by who has them."""

    project: str
    both: int = 0
    export_only: int = 0
    here_only: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The newest day that was compared, 0 for none, and what came of it for each project that was watched whole."""

    day: int = 0
    projects: tuple[Compared, ...] = ()


@dataclass(frozen=True, slots=True)
class Judge:
    """Says whether a ledger must have a job run.

    `projects` are those that are compared, by label, `now` is Unix time by CircleCI's clock.
    """

    projects: Mapping[str, Project] = field(default_factory=dict)
    now: float = 0.0

    def lookback(self, project: str, workflow: str, job: str) -> float | None:
        """How far back the ledger that keeps the runs of a job looks, in seconds; None where none does."""
        known = self.projects.get(project)
        if known is None or not (known.workflows.match(workflow) and known.jobs.match(job)):
            return None
        return known.runs.lookback

    def is_found(self, created_at: str, began_at: str, lookback: float) -> bool:
        """Whether looks have come by since a workflow began, in a pipeline that was created then; as a row tells them.

        The looks at a pipeline that is over, which find its re-runs, come ever more seldom, until the lookback ends.
        """
        created, began = _moment(created_at), _moment(began_at)
        if created is None or began is None:
            return True
        age = self.now - created.replace(tzinfo=UTC).timestamp()
        return watching.REVISIT_FACTOR * (began - created).total_seconds() <= min(age, lookback)


def _moment(text: str) -> datetime | None:
    try:
        return columns.moment(text)
    except Unreadable:
        return None


NOBODY = Judge()
"""Says that no ledger must have anything."""


def compared(organization: str, snapshots: Iterable[Snapshot]) -> dict[str, Snapshot]:
    """The projects of an organization whose job runs are kept, by label.

    Where the id of one is not known, its rows may be under another name.
    """
    return {
        each.project.name: each
        for each in snapshots
        if organization_of(each.project.slug) == organization
        and PIPELINES in each.project.collectors
        and each.project.pipelines.jobs
        and each.live is not None
        and each.facts is not None
        and each.facts.id
    }


def watched(snapshots: Mapping[str, Snapshot], since: float) -> dict[str, Snapshot]:
    """Those of them that were watched whole `since` then."""
    return {
        label: each
        for label, each in snapshots.items()
        if each.live is not None and whole.is_whole(each.live, each.project, since)
    }


class Comparison:
    """One day of one project while it is compared."""

    def __init__(self, project: str) -> None:
        self._project, self._both, self._export_only, self._here_only = project, 0, 0, 0
        self.lacking: list[int] = []
        """The stops of some of those that only the ledger has, Unix seconds."""

    def exported(self, keys: Collection[int], known: Collection[int]) -> None:
        """Add job runs of the export, and which of them the ledger has."""
        self._both += len(known)
        self._export_only += len(keys) - len(known)

    def kept(self, stops: Mapping[int, int], known: Collection[int]) -> None:
        """Add job runs of the ledger by key, with their stops, and which of them the export has."""
        lacking = [stop for key, stop in stops.items() if key not in known]
        self._here_only += len(lacking)
        self.lacking += lacking[: TOLD - len(self.lacking)]

    @property
    def result(self) -> Compared:
        return Compared(self._project, self._both, self._export_only, self._here_only)
