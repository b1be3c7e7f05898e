"""What many tests start from: a project's settings, a snapshot of it, rows as CircleCI sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.config import parse
from exporter.insights.collectors import COLLECTORS
from exporter.insights.questions import Question
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Facts, Part, Snapshot

if TYPE_CHECKING:
    from exporter.config import Project

NOW = 1_790_000_000.0
FACTS = Facts("main", "web", "acme", "GitHub", asked_at=NOW)


def project(settings: str = "", slug: str = "gh/acme/web") -> Project:
    """A project with `settings` as the YAML below its slug."""
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    (found,) = parse(f"projects:\n  - slug: {slug}\n{lines}").projects
    return found


def workflow_row(name: str = "build", **metrics: Any) -> dict[str, Any]:
    """A row of `GET /insights/{slug}/workflows`."""
    durations = {"min": 31, "mean": 49, "median": 46, "p95": 72, "max": 96, "standard_deviation": 11.5}
    known = {
        "total_runs": 82,
        "successful_runs": 49,
        "failed_runs": 33,
        "success_rate": 0.5975609756097561,
        "throughput": 11.714285714285714,
        "mttr": 46466,
        "total_credits_used": 16216608,
        "total_recoveries": 0,
        "duration_metrics": durations,
    }
    return {
        "name": name,
        "project_id": "22222222-2222-2222-2222-222222222222",
        "window_start": "2026-09-15T03:20:24.927Z",
        "window_end": "2026-09-21T23:23:04.390Z",
        "metrics": known | metrics,
    }


def part(collector: str, rows: list[dict[str, Any]], at: float = NOW, **more: Any) -> Part:
    """The part that an answer of these rows makes."""
    question = Question(collector, COLLECTORS[collector].endpoint, "gh/acme/web")
    read, _ = COLLECTORS[collector].read([{"items": rows, "next_page_token": None}], question, at)
    return Part(pack(COLLECTORS[collector], read), at, at, **more)


def snapshot(
    settings: str = "", workflows: tuple[str, ...] = ("build",), jobs: tuple[str, ...] = ("lint",)
) -> Snapshot:
    """A project of which everything is known: workflows on main in the first window, and the jobs of each."""
    asked = project(settings)
    (question,) = COLLECTORS["workflows"].questions(asked.slug, branch="main", windows=asked.windows[:1])
    parts = {question: part("workflows", [workflow_row(name) for name in workflows])}
    for name in workflows:
        (question,) = COLLECTORS["jobs"].questions(asked.slug, workflow=name, branch="main", windows=asked.windows[:1])
        parts[question] = part("jobs", [workflow_row(job) for job in jobs])
    return Snapshot(asked, FACTS, parts, polled_at=NOW)
