"""What the page shows, as plain data.

Times are Unix seconds, durations seconds, ratios 0 to 1. `None` is what is not known, never 0.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Health(enum.Enum):
    """How a collector of a project stands; the worst first, as the page sorts."""

    FAILING = "failing"
    STALE = "stale"
    PENDING = "pending"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class CollectorView:
    """One collector of one project. `stale_after` is an age; `error` is the newest failure in words, while it lasts."""

    name: str
    state: Health
    last_success: float | None
    stale_after: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectView:
    """One project. `name` is its label in the metrics; `next_poll` may lie in the past when polls are late."""

    name: str
    slug: str
    default_branch: str | None
    collectors: tuple[CollectorView, ...]
    next_poll: float | None
    series: int


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """One workflow on one branch in one window. `previous_*` are the values of the last poll that differed."""

    project: str
    name: str
    branch: str
    window: str
    success_ratio: float | None = None
    median_seconds: float | None = None
    p95_seconds: float | None = None
    runs: float | None = None
    previous_success_ratio: float | None = None
    previous_p95_seconds: float | None = None


class Phase(enum.Enum):
    """What a workflow run in progress is doing, in the order of the page."""

    RUNNING = "running"
    WAITING = "waiting"
    ON_HOLD = "on hold"


@dataclass(frozen=True, slots=True)
class RunView:
    """One workflow run in progress. `branch` is that of its pipeline, or the tag; `status` is CircleCI's word.

    `jobs` counts its jobs in progress by status, where jobs are read. `waiting_since` is when the job that has waited
    longest could have started. `link` is its address at CircleCI.
    """

    project: str
    workflow: str
    branch: str
    phase: Phase
    status: str
    created_at: float
    jobs: tuple[tuple[str, int], ...] = ()
    waiting_since: float | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class RedView:
    """A workflow on a branch whose newest `failures` pipelines failed, since the first of these runs stopped.

    `link` is that run's address at CircleCI.
    """

    project: str
    workflow: str
    branch: str
    failures: int
    since: float
    link: str | None = None


@dataclass(frozen=True, slots=True)
class NowView:
    """All runs in progress, oldest first, and what is `red`, longest first.

    `unknown` counts further ones that CircleCI could not be asked about for so long that they may have ended,
    `pending` the projects that were not looked at in whole yet.
    """

    runs: tuple[RunView, ...]
    unknown: int = 0
    pending: int = 0
    red: tuple[RedView, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedView:
    """The job runs of a day, which begins at `day`, in some projects: in CircleCI's Usage export and the counters here.

    Those that were `missed` are in the export alone, those that are `lacking` in the counters alone.
    """

    day: float
    projects: int
    both: int
    missed: int
    lacking: int


@dataclass(frozen=True, slots=True)
class ApiView:
    """CircleCI as the newest requests found it. `requests_last_hour` maps a status code, or `error`, to a count.

    `requests_per_second` is what the limiter allows now, `throttled_seconds` the wait for CircleCI's limit in all.
    `throttled` says that CircleCI answered 429 to the newest request, so nothing is known that was not before.
    """

    reachable: bool | None
    token_accepted: bool | None
    requests_last_hour: Mapping[str, int]
    requests_per_second: float
    rate_limit_remaining: float | None
    rate_limit_limit: float | None
    throttled_seconds: float
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """All of the page. `projects` and `workflows` stay the same objects while nothing in them changed.

    The page keeps their sorted order by identity, so a fresh tuple costs a sort.
    `reload_ok` is False while the file on disk was refused and still running the previous one.
    `now` is None where no project has the collector `pipelines`, `compared` while no day was. With `stands_by` another
    replica leads.
    """

    version: str
    started_at: float
    shard: int
    total_shards: int
    config_file: str | None
    reloaded_at: float | None
    reload_ok: bool
    api: ApiView
    projects: tuple[ProjectView, ...]
    workflows: tuple[WorkflowView, ...]
    now: NowView | None = None
    compared: ComparedView | None = None
    stands_by: bool = False
