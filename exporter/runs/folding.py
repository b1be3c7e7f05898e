"""Adding what a poll saw to what was counted before.

The caller gives each run at most once in its life: those that it has remembered by their keys are left
out before. Nothing here knows a clock but the poll's own beginning.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.config import Globs, Project
from exporter.runs.asking import FURTHEST
from exporter.runs.ledger import (
    ALL_TAGS,
    INVENTED,
    NO_RUNS,
    OTHER_BRANCHES,
    OTHER_STATUS,
    STATUSES,
    BranchCounters,
    Ledger,
    Newest,
    Number,
    Tally,
    WorkflowLedger,
    each_branch,
)
from exporter.runs.reading import AHEAD, Run

VERDICTS = {"success": 1, "failed": 0, "error": 0}


def labels_of(project: Project, default_branch: str) -> Callable[[str], str]:
    """What the label `branch` of a run is: the branch's name where it is asked for by name or glob."""
    names = {default_branch, *project.branch_names} - {""}
    globs = Globs(include=project.branch_globs)

    def label(branch: str) -> str:
        return branch if branch in names or (branch and globs.match(branch)) else OTHER_BRANCHES

    return label


def listed(
    ledger: Ledger | None,
    names: Mapping[str, float | None],
    now: float,
    *,
    read: float,
    lookback: float,
    bounds: tuple[float, ...],
) -> Ledger:
    """The ledger after the names were asked for, each with the time of its last run; the first time it is begun.

    It begins a lookback before the newest run, or before `read`, the time by the clock that is behind. All that
    is listed then begins with runs that are not counted. What appears later is counted from its first run. What
    is listed no longer keeps its counts as long as CircleCI has runs of it.
    """
    times = {name: None if last is None else int(last) for name, last in names.items()}
    if ledger is None:
        newest = max((last for last in times.values() if last is not None), default=read)
        workflows = {name: WorkflowLedger(0, baseline=True, newest=last) for name, last in times.items()}
        return Ledger(int(max(min(read, newest) - lookback, 0)), now, bounds, workflows)
    return named(ledger, times.keys(), now)


def named(ledger: Ledger, names: Collection[str], now: float) -> Ledger:
    """The ledger with the workflows that are listed, and those listed no longer for as long as CircleCI has runs."""
    workflows = {}
    for name, workflow in ledger.workflows.items():
        if name in names:
            workflows[name] = replace(workflow, unlisted_at=None)
        elif workflow.unlisted_at is None or now - workflow.unlisted_at < FURTHEST:
            workflows[name] = replace(workflow, unlisted_at=workflow.unlisted_at or now)
    for name in set(names) - workflows.keys():
        workflows[name] = WorkflowLedger(ledger.began)
    return replace(ledger, names_at=now, workflows=workflows)


def rebucketed(ledger: Ledger, bounds: tuple[float, ...]) -> Ledger:
    """The ledger with other buckets: its histogram begins at 0 again, and nothing else does."""
    return ledger if ledger.bounds == bounds else unmeasured(ledger, bounds)


def unmeasured(ledger: Ledger, bounds: tuple[float, ...]) -> Ledger:
    """The ledger whose histogram of durations begins at 0 again, with these buckets."""
    none = (0,) * (len(bounds) + 1)

    def reset(_: str, counters: BranchCounters) -> BranchCounters:
        held = counters.held and replace(counters.held, buckets=none, seconds=0)
        counted = replace(counters.counted, buckets=none, seconds=0)
        return replace(counters, counted=counted, held=held, fresh=True, exemplars=())

    return replace(each_branch(ledger, reset), bounds=bounds)


@dataclass(slots=True)
class Sums:
    """A tally under way."""

    buckets: list[int]
    runs: dict[str, int] = field(default_factory=Counter)
    seconds: Number = 0
    credits: Number = 0

    def tally(self) -> Tally:
        return Tally(tuple(self.buckets), dict(self.runs), self.seconds, self.credits)


def fold(
    ledger: Ledger,
    name: str,
    runs: Iterable[Run],
    label: Callable[[str], str],
    *,
    now: float,
    start: int,
    lookback: float,
    swept: bool,
) -> Ledger:
    """The ledger after one workflow was read to its end: `runs` are those not remembered, each once.

    The poll began at `now` and read runs created since `start`. Runs that have not finished make their
    series appear, at 0.
    """
    before = ledger.workflows[name]
    invented = list(ledger.invented)
    by_branch: dict[str, list[Run]] = {branch: [] for branch in before.branches}
    for run in sorted(runs, key=lambda run: (run.created_at, run.key)):
        by_branch.setdefault(label(run.branch), []).append(run)
    branches = {}
    for branch, seen in by_branch.items():
        if branch in {OTHER_BRANCHES, ALL_TAGS} or label(branch) == branch:  # a name that was given up is dropped
            counting = [] if before.baseline else [run for run in seen if run.status]
            grown = _grown(before.branches.get(branch), seen, counting, ledger.bounds, invented)
            branches[branch] = _shown(grown, seen, now)
    newest = max([of_branch.seen for of_branch in branches.values()], default=before.newest)
    if newest is not None:
        latest = min(newest, now)  # neither a run dated in the future nor a clock that is ahead ends a series
        branches = {branch: of_branch for branch, of_branch in branches.items() if of_branch.seen > latest - FURTHEST}
    workflow = replace(
        read_to_end(before, newest, now=now, start=start, lookback=lookback),
        since=start if before.baseline else before.since,
        swept_at=now if swept else before.swept_at,
        branches=branches,
    )
    return replace(ledger, workflows={**ledger.workflows, name: workflow}, invented=tuple(invented))


def read_to_end(
    before: WorkflowLedger,
    newest: int | None,
    *,
    now: float,
    start: int,
    lookback: float,
    waiting: Iterable[float] = (),
) -> WorkflowLedger:
    """The workflow after its list was read from `start` to its end, and `newest` is the newest creation that is known.

    `waiting` are the creations of runs that are to be asked for again.
    """
    if newest is None:  # the next poll reads from no later on: this machine's clock may be days ahead of CircleCI's
        return replace(before, baseline=False)
    floor = max(before.floor, int(min(start, min(newest, now) - lookback, *waiting)))
    return replace(before, baseline=False, polled_at=now, newest=newest, floor=floor)


def with_credits(ledger: Ledger, name: str, runs: Iterable[Run], label: Callable[[str], str]) -> Ledger:
    """The ledger with the credits of runs that another source counted before their credits had come."""
    workflow = ledger.workflows[name]
    branches = dict(workflow.branches)
    for run in runs:
        counters = branches.get(label(run.branch))
        if counters is not None:
            counted = replace(counters.counted, credits=counters.counted.credits + run.credits)
            branches[label(run.branch)] = replace(counters, counted=counted)
    return replace(ledger, workflows={**ledger.workflows, name: replace(workflow, branches=branches)})


def _grown(
    old: BranchCounters | None,
    seen: Sequence[Run],
    counting: Sequence[Run],
    bounds: tuple[float, ...],
    invented: list[str],
) -> BranchCounters:
    """The counters after the poll: what was held is counted, and what was not yet seen at 0 is held."""
    size = len(bounds) + 1
    if old is None:
        old = BranchCounters(Tally((0,) * size, {}), seen[-1].created_at)
    now, later = Sums([0] * size), Sums([0] * size)
    for run in counting:
        status = known_status(run.status, invented)
        sums = now if status in old.counted.runs else later
        sums.runs[status] += 1
        sums.credits += run.credits
        if run.duration is not None and not run.approval:
            if old.fresh:
                sums = later
            sums.buckets[bisect_left(bounds, run.duration)] += 1
            sums.seconds += run.duration
    counted = (old.counted if old.held is None else old.counted + old.held) + now.tally()
    counted = replace(counted, runs={**NO_RUNS, **dict.fromkeys(later.runs, 0), **counted.runs})
    held = later.tally() if later.runs or any(later.buckets) else None
    return replace(
        old, counted=counted, seen=max([old.seen, *(run.created_at for run in seen)]), held=held, fresh=False
    )


def known_status(status: str, invented: list[str]) -> str:
    """The label `status`; the API may invent ten of its own."""
    if status in STATUSES or status in invented:
        return status
    if len(invented) == INVENTED:
        return OTHER_STATUS
    invented.append(status)
    return status


def _shown(counters: BranchCounters, runs: Iterable[Run], now: float) -> BranchCounters:
    """The counters with the newest of the finished runs; one that was kept from the future is not the newest."""
    last, verdict = counters.last, counters.verdict
    for run in runs:
        if not run.status or run.stopped_at is None:
            continue
        of_run = Newest(run.stopped_at, run.created_at, run.key, run.duration)
        if of_run.after(last) or _beyond(last, of_run, now):
            last = of_run
        if run.status in VERDICTS and (of_run.after(verdict) or _beyond(verdict, of_run, now)):
            verdict = replace(of_run, value=VERDICTS[run.status])
    return replace(counters, last=last, verdict=verdict)


def _beyond(kept: Newest | None, of_run: Newest, now: float) -> bool:
    """Whether a run was kept from a future in which the other one does not lie."""
    return kept is not None and kept.stopped_at > now + AHEAD >= of_run.stopped_at
