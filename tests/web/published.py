"""A source that answers from what a test puts into it, and figures for the page."""

from __future__ import annotations

import gzip as gzip_module
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from exporter.web.page.overview import (
    ApiView,
    CollectorView,
    Health,
    Overview,
    Phase,
    ProjectView,
    RunView,
    WorkflowView,
)
from exporter.web.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXT = b"# HELP up Whether.\n# TYPE up gauge\nup 1.0\n"
NOW = 1_790_000_000.0


def collector(name: str, state: Health = Health.OK, *, age: float = 720, error: str | None = None) -> CollectorView:
    return CollectorView(name, state, NOW - age, 3 * 3600.0, error)


def project(name: str, *collectors: CollectorView, **changes: object) -> ProjectView:
    view = ProjectView(
        name=name,
        slug=f"gh/{name}",
        default_branch="main",
        collectors=collectors or (collector("workflows"), collector("jobs")),
        next_poll=NOW + 2880,
        series=412,
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def workflow(project_name: str, name: str, success_ratio: float | None = 0.9, **changes: object) -> WorkflowView:
    view = WorkflowView(
        project=project_name,
        name=name,
        branch="main",
        window="last-7-days",
        success_ratio=success_ratio,
        median_seconds=200,
        p95_seconds=420,
        runs=63,
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def run_in_progress(workflow_name: str, phase: Phase = Phase.RUNNING, *, age: float = 60, **changes: object) -> RunView:
    view = RunView("acme/web", workflow_name, "main", phase, phase.value.replace(" ", "_"), NOW - age)
    return replace(view, **changes)  # type: ignore[arg-type]


API = ApiView(
    reachable=True,
    token_accepted=True,
    requests_last_hour={"200": 1184, "404": 3, "429": 12},
    requests_per_second=0.4,
    rate_limit_remaining=812,
    rate_limit_limit=1000,
    throttled_seconds=38,
)


def overview(
    projects: Sequence[ProjectView] = (), workflows: Sequence[WorkflowView] = (), **changes: object
) -> Overview:
    whole = Overview(
        version="1.2.3",
        started_at=NOW - 90_061,
        shard=0,
        total_shards=1,
        config_file="/etc/exporter/config.yaml",
        reloaded_at=NOW - 300,
        reload_ok=True,
        api=API,
        projects=tuple(projects),
        workflows=tuple(workflows),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@dataclass
class Published(Source):
    """Implements `exporter.web.source.Source`. `text` and `gzipped` are served as they are, cut into `pieces_of`."""

    text: Sequence[bytes] = (TEXT,)
    gzipped: Sequence[bytes] | None = None
    view: Overview = field(default_factory=overview)
    is_ready: bool = True
    on_reload: Callable[[], tuple[bool, str]] | None = None
    asked: list[tuple[bool, bool]] = field(default_factory=list)
    reloads: int = 0
    entered: threading.Event = field(default_factory=threading.Event)

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        self.asked.append((openmetrics, gzip))
        pieces = self.text
        if openmetrics:
            pieces = [*pieces, b"# EOF\n"]
        if gzip:
            pieces = self.gzipped or [gzip_module.compress(b"".join(pieces), 1)]
        return pieces, sum(map(len, pieces))

    def overview(self) -> Overview:
        return self.view

    def ready(self) -> bool:
        return self.is_ready

    def reload(self) -> tuple[bool, str] | None:
        if self.on_reload is None:
            return None
        self.reloads += 1
        self.entered.set()
        return self.on_reload()
