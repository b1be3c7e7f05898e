"""The page for a person: an overview, a query, and a template make HTML of bounded size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.web.page import now, tables, wording
from exporter.web.page.overview import Health, Overview
from exporter.web.page.selection import Query, Ranking

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "templates"
_SIGNS = {Health.FAILING: "✕", Health.STALE: "!", Health.PENDING: "…", Health.OK: "✓"}
_RUNS_A_GROUP = 5
_WORDS = (
    *(
        wording.age,
        wording.ago,
        wording.ahead,
        wording.count,
        wording.day,
        wording.duration,
        wording.instant,
        wording.percent,
    ),
    *(wording.rough, tables.bar, tables.grade, tables.ratio_trend, tables.duration_trend, now.jobs, now.status),
)
"""The functions that the template writes figures with."""


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
        self._overview, self._clock = overview, clock
        self._telemetry_path, self._refresh_seconds = telemetry_path, refresh_seconds
        self._ranking: Ranking | None = None
        self.static_version = ""

    @cached_property
    def _template(self) -> Template:
        """Made at the first look, so that a start is sooner and a page that nobody looks at takes no memory."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

        # Names come from CircleCI and are hostile: everything is escaped, and the template marks nothing as safe.
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals |= {word.__name__: word for word in _WORDS}
        return environment.get_template("page.html")

    def render(self, parameters: Mapping[str, str]) -> bytes:
        """Return the page as UTF-8 for the parameters of its address."""
        overview = self._overview()
        query = Query.read(parameters)
        at = self._clock()
        self._ranking = ranking = Ranking(overview, self._ranking)
        projects, workflows = ranking.select(query)
        runs = ranking.runs(overview.now.runs, query) if overview.now else ()
        verdict, mood = tables.verdict(overview.api)
        html = self._template.render(
            overview=overview,
            query=query,
            at=at,
            # Relative, so that the page works below any path of a proxy.
            metrics_link=self._telemetry_path.removeprefix("/"),
            static_version=self.static_version,
            refresh_seconds=self._refresh_seconds if query.refresh else 0,
            uptime=max(0, round(at - overview.started_at)),
            Health=Health,
            states=ranking.states,
            signs=_SIGNS,
            series=sum(project.series for project in overview.projects),
            verdict=verdict,
            mood=mood,
            runs=runs,
            groups=now.by_phase(runs),
            runs_a_group=_RUNS_A_GROUP,
            longest_wait=now.longest_wait(runs),
            red=ranking.runs(overview.now.red, query) if overview.now else (),
            projects=projects,
            workflows=workflows,
        )
        # A name can hold half a surrogate pair, which has no UTF-8.
        return html.encode("utf-8", "replace")
