"""What is counted: facts of one project's runs, by workflow and branch. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from exporter.runs.counters import Exemplar

STATUSES = ("success", "failed", "error", "canceled", "unauthorized")
"""The final statuses that the API documents."""
INVENTED = 10
OTHER_STATUS = "other"
"""Label `status` of what the API invents beyond the first ten of a project."""
OTHER_BRANCHES = "other branches"
"""Label `branch` of all branches that have no name of their own: no git branch can have a space."""

ALL_TAGS = "all tags"
"""Label `branch` of what a tag triggered."""
Number = int | float
"""A sum is exact for as long as what is added is whole."""

_NONE: Mapping[str, BranchCounters] = MappingProxyType({})
NO_RUNS: Mapping[str, int] = MappingProxyType(dict.fromkeys(STATUSES, 0))


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over runs. `buckets` holds the observations of each bucket alone; the last is above all bounds."""

    buckets: tuple[int, ...]
    runs: Mapping[str, int] = field(default_factory=lambda: NO_RUNS)
    seconds: Number = 0
    credits: Number = 0

    def __add__(self, other: Tally) -> Tally:
        buckets = tuple(map(int.__add__, self.buckets, other.buckets))
        runs = {status: self.runs.get(status, 0) + count for status, count in other.runs.items()}
        return Tally(buckets, {**self.runs, **runs}, self.seconds + other.seconds, self.credits + other.credits)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest finished run, by its stop, and what is shown of it."""

    stopped_at: Number
    created_at: int
    key: int
    value: Number | None

    def after(self, other: Newest | None) -> bool:
        """Whether this run is the newer one; runs of the same times are told apart by their keys."""
        mine = (self.stopped_at, self.created_at, self.key)
        return other is None or mine > (other.stopped_at, other.created_at, other.key)


@dataclass(frozen=True, slots=True)
class BranchCounters:
    """The counters of one workflow on one branch.

    They are shown at 0 before it rises, so what comes first is `held` until the next poll.
    `fresh` says that the histogram has not been shown yet. `last` has the duration of the newest run,
    `verdict` 1 or 0 for the newest that succeeded or failed; `seen` is the newest creation. Where runs are
    counted one by one, `born` is since when they are shown, and `exemplars` has a run for each bucket.
    """

    counted: Tally
    seen: int
    held: Tally | None = None
    fresh: bool = False
    last: Newest | None = None
    verdict: Newest | None = None
    born: float = 0.0
    exemplars: tuple[Exemplar | None, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowLedger:
    """One workflow of the project.

    `polled_at` is when its last good poll began, `swept_at` when its whole lookback was last read. Runs
    created before `since` were never asked for. Of those created before `floor` nothing is remembered, so
    that none of them is ever counted. `newest` is the newest creation known at that poll. With `baseline` the
    runs of the next good poll are remembered, not counted. `unlisted_at` is when CircleCI ceased to list the workflow.
    """

    since: int
    floor: int = 0
    baseline: bool = False
    polled_at: Number | None = None
    swept_at: Number | None = None
    newest: int | None = None
    unlisted_at: Number | None = None
    branches: Mapping[str, BranchCounters] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that is counted of one project.

    `began` is the start of the very first look: workflows that appear later are read from there.
    `bounds` are the histogram's, in seconds; `invented` the statuses that no documentation knows. `by_stop` says
    that durations are stop less creation, as they are where pipelines are watched.
    """

    began: int
    names_at: Number
    bounds: tuple[Number, ...]
    workflows: Mapping[str, WorkflowLedger]
    invented: tuple[str, ...] = ()
    by_stop: bool = False


def each_branch(ledger: Ledger, change: Callable[[str, BranchCounters], BranchCounters | None]) -> Ledger:
    """The ledger with what `change` makes of each branch: its label and counters, or None to drop it."""
    workflows = {}
    for name, workflow in ledger.workflows.items():
        changed = {branch: change(branch, counters) for branch, counters in workflow.branches.items()}
        branches = {branch: counters for branch, counters in changed.items() if counters is not None}
        workflows[name] = replace(workflow, branches=branches)
    return replace(ledger, workflows=workflows)
