"""A fleet of projects whose numbers look like those of real ones, as answers of the API, as facts, as a state file.

`python -m benchmarks.fleet FILE PROJECTS API-URL` writes the state file.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.config import parse
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge.snapshots import Facts, Outcome, Part, Snapshot
from exporter.state import StateStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry

try:
    from exporter.knowledge.packing import pack
except ModuleNotFoundError:  # a version before, which is measured too, has it elsewhere
    from exporter.knowledge.snapshots import pack  # type: ignore[attr-defined, no-redef]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.config import Project

WORKFLOWS = ("build-and-test", "nightly", "deploy-production", "release", "security-scan")
JOBS = (
    "lint",
    "unit-tests",
    "integration-tests",
    "build-image",
    "end-to-end-tests",
    "deploy-staging",
    "publish-artifacts",
    "dependency-scan",
)
TEAMS = ("payments", "checkout", "search", "identity", "catalogue", "billing", "mobile", "platform")
SAMPLES_A_PROJECT = 650
"""About so many samples has a project in one window: 5 workflows of 15, 40 jobs of 14, its own."""
DAY = 86_400.0


def slug(index: int) -> str:
    """The slug of the nth project."""
    return f"gh/acme/{TEAMS[index % len(TEAMS)]}-service-{index:04}"


def count_for(samples: int) -> int:
    """How many projects have about so many samples."""
    return max(1, round(samples / SAMPLES_A_PROJECT))


def projects(count: int, settings: str = "") -> tuple[Project, ...]:
    """The settings of so many projects; `settings` are those of `defaults`."""
    lines = "".join(f"  - {slug(index)}\n" for index in range(count))
    return parse(f"defaults: {{{settings}}}\nprojects:\n{lines}").projects


def row(chance: random.Random, name: str, now: float) -> dict[str, Any]:
    """A row of workflows or jobs as the API sends it."""
    total = int(chance.lognormvariate(3.5, 1)) + 1
    good = round(total * chance.uniform(0.6, 1))
    median = int(chance.lognormvariate(5, 1)) + 1
    return {
        "name": name,
        "window_start": _written(now - 7 * DAY + chance.random() * DAY),
        "window_end": _written(now - chance.random() * DAY),
        "metrics": {
            "total_runs": total,
            "successful_runs": good,
            "failed_runs": total - good,
            "success_rate": good / total,
            "throughput": total / 7,
            "mttr": int(chance.lognormvariate(8, 1)),
            "total_credits_used": total * median * 10,
            "duration_metrics": {
                "min": median // 2,
                "mean": round(median * 1.1),
                "median": median,
                "p95": median * 2,
                "max": median * 3,
                "standard_deviation": float(median // 3),
            },
        },
    }


def answer(chance: random.Random, names: Iterable[str], now: float) -> dict[str, Any]:
    """One page, the last."""
    return {"items": [row(chance, name, now) for name in names], "next_page_token": None}


def parts(project: Project, chance: random.Random, now: float, windows: int = 1) -> Iterator[tuple[Any, Part]]:
    """Everything that is asked of a project, answered."""
    for window in project.windows[:windows]:
        asked = [("workflows", "", WORKFLOWS), *(("jobs", workflow, JOBS) for workflow in WORKFLOWS)]
        for name, workflow, names in asked:
            collector = COLLECTORS[name]
            (question,) = collector.questions(project.slug, workflow=workflow, branch="main", windows=[window])
            rows, _ = collector.read([answer(chance, names, now)], question, now)
            yield question, Part(pack(collector, rows), now, now, basis="0123456789abcdef")


def snapshot(project: Project, chance: random.Random, now: float) -> Snapshot:
    """All that is known of a project after a good poll."""
    repository = project.slug.rpartition("/")[2]
    outcome = Outcome(success=True, duration=1.234567, finished_at=now, last_success=now)
    return Snapshot(
        project,
        Facts("main", repository, "acme", "GitHub", now),
        dict(parts(project, chance, now)),
        {"workflows": outcome, "jobs": outcome},
        polled_at=now,
    )


def snapshots(count: int, now: float, seed: int = 1) -> Iterator[Snapshot]:
    """So many projects, all polled now."""
    chance = random.Random(seed)  # noqa: S311  the same fleet in each run
    for project in projects(count):
        yield snapshot(project, chance, now)


def write_state(path: Path, count: int, now: float, api_url: str) -> None:
    """A state file of so many projects."""
    state = StateStore.open(path, api_url, Telemetry("bench", ()), configure("error", "logfmt"))
    for known in snapshots(count, now):
        state.commit(known, known.parts, ())
    state.close()


def _written(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


if __name__ == "__main__":
    write_state(Path(sys.argv[1]), int(sys.argv[2]), time.time(), sys.argv[3])
