"""The configuration as the program uses it: complete, frozen, compared by value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from exporter.config.globs import Globs, is_glob
from exporter.config.values import project_slug

if TYPE_CHECKING:
    from pathlib import Path

INTERVALS_UNTIL_STALE: Final = 3


@dataclass(frozen=True, slots=True)
class CircleCI:
    """How CircleCI is reached. `url` has no trailing slash and no `/api/v2`; `timeout` is in seconds."""

    url: str
    token_file: Path | None
    auth: str
    ca_file: Path | None
    allow_insecure: bool
    timeout: float
    requests_per_second: float
    burst: int
    concurrency: int

    @property
    def api_url(self) -> str:
        """The URL that API paths are added to, without a trailing slash."""
        return f"{self.url}/api/v2"

    def share(self, total_shards: int) -> CircleCI:
        """Return what one of `total_shards` may use: rate and burst are those of all together."""
        return replace(
            self,
            requests_per_second=self.requests_per_second / total_shards,
            burst=max(1, self.burst // total_shards),
        )


@dataclass(frozen=True, slots=True)
class State:
    """Where the state file is; None keeps state in memory only."""

    path: Path | None


@dataclass(frozen=True, slots=True)
class Jobs(Globs):
    """Which jobs, and how many seconds ago the workflow may have run last."""

    max_age: float = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Runs:
    """Collector `runs`; everything in seconds."""

    interval: float
    lookback: float
    sweep: float
    buckets: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Top:
    """How many tests are exposed by name."""

    top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project and all that is asked about it; times in seconds, labels sorted by name."""

    slug: str
    name: str
    interval: float
    stale_after: float | None
    windows: tuple[str, ...]
    default_branch: bool
    all_branches: bool
    branches: tuple[str, ...]
    collectors: tuple[str, ...]
    workflows: Globs
    jobs: Jobs
    metrics: Globs
    runs: Runs
    flaky_tests: Top
    tests: Top
    labels: tuple[tuple[str, str], ...]
    max_series: int

    @property
    def branch_names(self) -> tuple[str, ...]:
        """The configured branches that are plain names."""
        return tuple(branch for branch in self.branches if not is_glob(branch))

    @property
    def branch_globs(self) -> tuple[str, ...]:
        """The configured branches that are globs."""
        return tuple(branch for branch in self.branches if is_glob(branch))

    def polled_every(self, collector: str) -> float:
        """Return the seconds between two polls of the collector."""
        return self.runs.interval if collector == "runs" else self.interval

    def staleness(self, collector: str) -> float:
        """Return the age in seconds at which the collector's values are dropped unless they were renewed."""
        return self.stale_after or INTERVALS_UNTIL_STALE * self.polled_every(collector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """One organization whose projects are found. `names` chooses among them, `template` is what each of them gets."""

    slug: str
    names: Globs
    discovery_interval: float
    template: Project

    @property
    def staleness(self) -> float:
        """The age in seconds at which the organization's own totals are dropped unless they were renewed."""
        return self.template.stale_after or INTERVALS_UNTIL_STALE * self.discovery_interval

    def project(self, slug: str, name: str | None = None) -> Project:
        """Return a found project with the organization's settings. Raise ValueError for what is no project's slug."""
        slug = project_slug(slug)
        return replace(self.template, slug=slug, name=name or slug)


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration."""

    file: str
    circleci: CircleCI
    state: State
    projects: tuple[Project, ...]
    organizations: tuple[Organization, ...]
