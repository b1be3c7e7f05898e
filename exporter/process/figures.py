"""What the page is given: what is published of projects, workflows and runs, and the state of the API, plainly."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.errors import UnauthorizedError
from exporter.insights.collectors import NAMES
from exporter.process.in_progress import in_progress
from exporter.web.page.overview import ApiView, CollectorView, Health, NowView, ProjectView, WorkflowView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.errors import PollError
    from exporter.knowledge.snapshots import Outcome, Snapshot
    from exporter.publishing.figures import Figures
    from exporter.publishing.rendering import Publication
    from exporter.publishing.store import SnapshotStore
    from exporter.telemetry import Telemetry

    Shown = tuple[tuple[ProjectView, ...], tuple[WorkflowView, ...], NowView | None]


class PageFigures:
    """Projects, workflows and runs in progress as the page shows them; the same objects while nothing changed."""

    def __init__(
        self,
        store: SnapshotStore,
        due: Callable[[], Mapping[str, float]],
        circleci: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`due` gives the times at which projects are polled next, `circleci` is the address of CircleCI."""
        self._store, self._due, self._circleci, self._clock = store, due, circleci, clock
        self._seen: Mapping[str, tuple[Snapshot, Publication]] | None = None
        self._listed: list[tuple[str, tuple[Figures, ...]]] = []
        self._shown: Shown = (), (), None
        self._second = 0

    def read(self) -> Shown:
        """All of it, looked at when something was published, and at most once a second where nothing was."""
        published, now = self._store.published, self._clock()
        projects, workflows, _ = self._shown
        if published is not self._seen:
            listed = [(each.project.name, publication.figures.workflows) for each, publication in published.values()]
            if listed != self._listed:
                self._listed = listed
                workflows = tuple(_workflow(name, figures) for name, found in listed for figures in found)
        if published is not self._seen or int(now) != self._second:
            due = self._due()
            found = tuple(
                _project(snapshot, publication, due.get(snapshot.project.slug), now)
                for snapshot, publication in published.values()
            )
            projects = projects if found == projects else found
            runs = in_progress((snapshot for snapshot, _ in published.values()), self._circleci, now)
            self._shown = projects, workflows, runs
        self._seen, self._second = published, int(now)
        return self._shown


def _workflow(project: str, figures: Figures) -> WorkflowView:
    return WorkflowView(
        project,
        figures.workflow,
        figures.branch,
        figures.window,
        figures.success_ratio,
        figures.median,
        figures.p95,
        figures.runs,
        figures.previous_success_ratio,
        figures.previous_p95,
    )


def _project(snapshot: Snapshot, publication: Publication, due: float | None, now: float) -> ProjectView:
    project = snapshot.project
    return ProjectView(
        project.name,
        project.slug,
        snapshot.facts.default_branch if snapshot.facts else None,
        tuple(
            _collector(snapshot, name, snapshot.outcomes.get(name), now) for name in NAMES if name in project.collectors
        ),
        due,
        sum(publication.series.values()),
    )


def _collector(snapshot: Snapshot, name: str, outcome: Outcome | None, now: float) -> CollectorView:
    age = snapshot.project.staleness(name)
    if outcome is None:
        return CollectorView(name, Health.PENDING, None, age)
    if not outcome.success:
        return CollectorView(name, Health.FAILING, outcome.last_success, age, outcome.error)
    late = outcome.last_success is not None and now - outcome.last_success >= age
    return CollectorView(name, Health.STALE if late else Health.OK, outcome.last_success, age)


def api_view(telemetry: Telemetry, rate: float, lost: PollError | None) -> ApiView:
    """What the newest requests tell of CircleCI; `rate` is the requests a second that are allowed now.

    While CircleCI cannot be asked, `lost` is why.
    """
    up, newest = telemetry.up.value, telemetry.recent.newest
    refused = newest == "401" if lost is None else isinstance(lost, UnauthorizedError)
    reached = refused or (lost is None and newest not in {"", "error"})
    return ApiView(
        reachable=None if up is None else bool(up) or reached,
        token_accepted=None if up is None else True if up else False if refused else None,
        requests_last_hour=telemetry.recent.by_code(),
        requests_per_second=rate,
        rate_limit_remaining=telemetry.remaining.value,
        rate_limit_limit=telemetry.limit.value,
        throttled_seconds=telemetry.throttled_seconds,
        throttled=newest == "429",
    )


NO_API = ApiView(None, None, {}, 0.0, None, None, 0.0)
"""On a standby, which asks nothing."""
