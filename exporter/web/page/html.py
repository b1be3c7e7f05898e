"""The page for a person: an overview, a query, and a template make HTML of bounded size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter.web.page import wording
from exporter.web.page.now import now_card
from exporter.web.page.overview import Health
from exporter.web.page.selection import Query, Ranking
from exporter.web.page.tables import api_tile, project_row, workflow_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.web.page.overview import Overview

_FOLDER = Path(__file__).parent / "templates"
_STATE_SIGNS = {
    Health.FAILING: "✕",
    Health.STALE: "!",
    Health.PENDING: "…",
    Health.OK: "✓",
}


class Page:
    """Renders the page. One thread at a time: it keeps the last sorted lists."""

    def __init__(
        self,
        overview: Callable[[], Overview],
        *,
        telemetry_path: str,
        refresh_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._overview = overview
        self._telemetry_path = telemetry_path
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._ranking: Ranking | None = None
        self.static_version = ""
        # Names come from CircleCI and are hostile: everything is escaped, and the template marks nothing as safe.
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._template = environment.get_template("page.html")

    def render(self, parameters: Mapping[str, str]) -> bytes:
        """Return the page as UTF-8 for the parameters of its address."""
        overview = self._overview()
        query = Query.read(parameters)
        now = self._clock()
        if self._ranking is None or not self._ranking.fits(overview):
            self._ranking = Ranking(overview)
        projects, workflows = self._ranking.select(query)
        html = self._template.render(
            overview=overview,
            query=query,
            # Relative, so that the page works below any path of a proxy.
            metrics_link=self._telemetry_path.removeprefix("/"),
            static_version=self.static_version,
            refresh_seconds=self._refresh_seconds if query.refresh else 0,
            rendered_at=wording.instant(now),
            uptime=wording.duration(max(0, round(now - overview.started_at))),
            started_at=wording.instant(overview.started_at),
            reloaded=wording.ago(overview.reloaded_at, now),
            reloaded_at=wording.instant(overview.reloaded_at),
            states=[(state, self._ranking.states[state]) for state in Health],
            signs=_STATE_SIGNS,
            failing=self._ranking.states[Health.FAILING],
            project_total=wording.count(len(overview.projects)),
            workflow_total=wording.count(len(overview.workflows)),
            series_total=wording.count(sum(project.series for project in overview.projects)),
            api=api_tile(overview.api),
            now=overview.now and now_card(overview.now, self._ranking.runs(overview.now.runs, query), now),
            projects=projects,
            project_rows=[project_row(project, now) for project in projects.rows],
            workflows=workflows,
            workflow_rows=[workflow_row(workflow) for workflow in workflows.rows],
            count=wording.count,
        )
        # A name can hold half a surrogate pair, which has no UTF-8.
        return html.encode("utf-8", "replace")
