"""What is known of a project's pipelines now: which are watched, what of them is under way, what was counted.

Immutable facts, written to the state as they stand. Times are Unix seconds of this machine unless they are
CircleCI's own (`created_at`, `stopped_at`, `began`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from exporter.runs.attempts import EndedRun, Feedback

INSIGHTS, POLLED = "insights", "pipelines"
"""Who told of a run or pipeline first, besides an event."""
_NO_PIPELINES: Mapping[str, WatchedPipeline] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """A workflow run that is under way, or that ended and has not settled.

    `jobs` counts its jobs under way by status, `waiting_since` is since when the job that has waited longest
    could have started, `waiting_job` its name. `ended_seen_at` is when its end was first seen, `unlisted_at` since when
    its pipeline does not list it, or not readably; with `counted` only its jobs are still to be read. `told_by` is who
    told of it first.
    `unread` says that its jobs were never read, `missing` how often CircleCI did not know them after its end. One that
    was `held` was on hold; `feedback` is there once nothing more comes of it before an approval. `began` is
    the moment up to which its jobs are not counted.
    """

    id: str
    name: str
    status: str
    created_at: float
    stopped_at: float | None = None
    jobs: tuple[tuple[str, int], ...] = ()
    waiting_since: float | None = None
    ended_seen_at: float | None = None
    unlisted_at: float | None = None
    counted: bool = False
    told_by: str = POLLED
    unread: bool = False
    missing: int = 0
    waiting_job: str = ""
    held: bool = False
    feedback: Feedback | None = None
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchedPipeline:
    """A pipeline that is looked at again.

    `listed` says that a complete walk over the project's list reached it, `counted` that it is counted as a
    pipeline, or is not to be. `looked_at` is when it was last looked at, `wanted_at` since when a look is asked for:
    since it was first heard of, or since something told of news. `settled_at` is since when all of it has ended,
    `revisits` how often it was looked at since. `told_by` is who told of it first; `hinted` says that an event told of
    the end of its newest run. `failures` is how many looks in a row have failed, the last of them at `failed_at`.
    `shown` are runs that Insights has shown before a look found them.
    `ended` are runs of which it is not decided yet what they are among all, or that a later one may redeem; `rescued`
    are the names of workflows of which that was counted, and whether they are a setup. With `fed_back` its feedback is
    decided.
    """

    id: str
    created_at: float
    state: str
    trigger: str = ""
    branch: str = ""
    tag: str = ""
    number: int | None = None
    listed: bool = False
    counted: bool = False
    looked_at: float | None = None
    wanted_at: float | None = None
    settled_at: float | None = None
    revisits: int = 0
    runs: tuple[WatchedRun, ...] = ()
    told_by: str = POLLED
    hinted: bool = False
    failures: int = 0
    failed_at: float | None = None
    shown: tuple[str, ...] = ()
    ended: tuple[EndedRun, ...] = ()
    rescued: tuple[tuple[str, bool], ...] = ()
    fed_back: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """All that is known of one project's pipelines.

    `began` is the moment of the first look, by CircleCI's clock, or after a backfill the one from which that read. What
    had ended by then is not counted, but where runs were counted before, without pipelines: `fresh` says that none
    were. `began_at` is the same moment by this machine's clock. `listed_at` is when the list was last walked to its
    end, `covered_at` when the list of the organization last showed that nothing is missing, `newest_at` the creation of
    the newest pipeline. Of pipelines created before `floor` none is remembered. `owed` has workflows with runs older
    than what Insights is asked for, without credits or not counted yet: the name, from which creation on, and until
    when they are waited for. Of job runs that ended since `whole_from`, by CircleCI's clock, the ids of all that the
    settings have `chosen` are kept.
    """

    began: float
    fresh: bool = True
    began_at: float | None = None
    listed_at: float | None = None
    covered_at: float | None = None
    newest_at: float | None = None
    floor: float = 0.0
    pipelines: Mapping[str, WatchedPipeline] = field(default_factory=lambda: _NO_PIPELINES)
    owed: tuple[tuple[str, float, float], ...] = ()
    whole_from: float | None = None
    chosen: str = ""
