"""What every case of the campaign does: let something fail, see the fault named, and nothing else harmed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.circleci import Circle, truth
from tests.circleci.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.circleci import RemoteCircle
    from tests.running.program import Exporter
    from tests.running.scrapes import Scrape

WORKFLOWS = dict.fromkeys(("workflow-000", "workflow-001"), ("job-000", "job-001"))
FLEET = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, concurrency: {concurrency}, timeout: {timeout}}}
state: {{path: {state}}}
defaults: {{interval: 1s, stale_after: 1h, jobs: {{max_age: 1s}}}}
projects:
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to fail. `names` is what its metric must say: a reason of failure, or a field that cannot be read."""

    sentence: str
    kind: str
    names: str
    path: str = r"/workflows\?"
    collector: str = "workflows"
    options: dict[str, Any] = field(default_factory=dict)
    asked: int | None = None
    """How many requests one poll makes of it, where that is part of what is shown."""

    def __str__(self) -> str:
        return self.sentence

    def match(self, slug: str) -> str:
        """The expression for the requests that fail."""
        return slug + self.path


@dataclass(frozen=True, slots=True)
class Scene:
    """Who takes part in one case: `victim` is the project that fails, the others have their true values."""

    exporter: Exporter
    circle: RemoteCircle
    victim: str
    good: dict[str, float]
    bystanders: dict[str, dict[str, float]]


def slug_of(number: int) -> str:
    """A project of the fleet."""
    return f"gh/fleet/project-{number:05}"


def configuration(
    circle: RemoteCircle, slugs: list[str], *, timeout: str = "20s", concurrency: int = 8, state: Path | None = None
) -> str:
    """A configuration for some projects, polled every second."""
    head = FLEET.format(
        url=circle.url, timeout=timeout, concurrency=concurrency, state=f'"{state}"' if state else "null"
    )
    return head + "".join(f"  - {slug}\n" for slug in slugs)


def polled(scrape: Scrape, slugs: list[str], collectors: tuple[str, ...] = ("workflows", "jobs")) -> bool:
    """Whether the newest poll of each of these was good."""
    return all(
        scrape.get("collector_success", project=slug, collector=collector) == 1
        for slug in slugs
        for collector in collectors
    )


def unharmed(exporter: Exporter, bystanders: dict[str, dict[str, float]]) -> Scrape:
    """The process lives and answers, the values of those who did nothing are exact, and their polls are good."""

    def exact(scrape: Scrape) -> bool:
        for slug, expected in bystanders.items():
            shown = truth.shown(scrape.of_project(slug))
            assert shown == expected, sorted(shown.items() ^ expected.items())
        return True

    scrape = exporter.scrape()
    assert exact(scrape)
    # A busy machine may answer one of them too late, which fails that poll alone.
    return exporter.until(lambda scrape: exact(scrape) and polled(scrape, list(bystanders)), "good polls of the others")


def still_polled(exporter: Exporter, slugs: list[str]) -> None:
    """Those who did nothing are not only shown: a further poll of each of them is good."""
    before = exporter.scrape()

    def later(scrape: Scrape) -> bool:
        return all(last_success(scrape, slug) > last_success(before, slug) for slug in slugs)

    exporter.until(later, "polls of the untouched projects to go on")


def last_success(scrape: Scrape, slug: str, collector: str = "workflows") -> float:
    """When the newest good poll of a collector ended."""
    return scrape.get("collector_last_success_timestamp_seconds", project=slug, collector=collector) or 0.0


class Known:
    """What a synthetic CircleCI in this process knows."""

    def __init__(self, circle: Circle) -> None:
        self._organization = circle.organization

    def metrics(self, project: str, workflow: str, window: str, **scope: str) -> dict[str, Any] | None:
        """As `RemoteCircle.metrics`."""
        branch, job = scope.get("branch"), scope.get("job")
        if job is None:
            return self._organization.workflow_metrics(project, workflow, branch, window)
        return self._organization.job_metrics(project, workflow, job, branch, window)


def small_circle(token: str, *, projects: int = 2, **more: Any) -> Circle:
    """A synthetic CircleCI of few projects in this process, whose clock stands still."""
    return Circle(projects=fleet(1, projects, 2, 2), start=1_790_000_000, speed=0, token=token, **more)


def small_config(
    url: str,
    circleci: str = "",
    *,
    timeout: str = "20s",
    token_file: Path | None = None,
    projects: Iterable[str] = (slug_of(0), slug_of(1)),
) -> str:
    """A configuration for these projects; `circleci` are further keys of that section."""
    keys = f'url: "{url}", requests_per_second: 1000, burst: 100, timeout: {timeout}'
    keys += f', token_file: "{token_file}"' if token_file else ""
    keys += f", {circleci}" if circleci else ""
    defaults = "interval: 1s, stale_after: 1h, jobs: {max_age: 1s}"
    lines = "".join(f"  - {slug}\n" for slug in projects)
    return f"circleci: {{{keys}}}\ndefaults: {{{defaults}}}\nprojects:\n{lines}"
