"""What is counted of one project, and what is known of its workflows. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from exporter.counting import red
from exporter.counting.cells import Cells, Exemplar, Number
from exporter.runs.reading import AHEAD, Run

INVENTED = 10
OTHER_STATUS = "other"
"""Label `status` of what the API invents beyond the first ten of a project."""
VERDICTS = {"success": 1, "failed": 0, "error": 0}
FURTHEST = 90 * 86_400
"""How far back CircleCI has runs."""

_NO_BRANCHES: Mapping[str, BranchFacts] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One run to be counted. Times are Unix seconds, the stop None where it is not known.

    A `duration` that is a person's, as that of an approval, is not `measured`: the histogram leaves it out.
    `pipeline` is the creation of its pipeline and its id, where that is known.
    """

    key: int
    status: str
    created_at: float
    stopped_at: float | None
    duration: Number | None = None
    measured: bool = True
    credits: Number = 0
    exemplar: Exemplar | None = None
    id: str = ""
    pipeline: tuple[float, str] | None = None

    @classmethod
    def told(cls, row: Run, *, by_stop: bool) -> FinishedRun:
        """A run as Insights lists it. With `by_stop` it lasted from its creation to its stop, else as long as told."""
        if by_stop:
            duration = lasted(row.created, row.stopped_at)
            return cls(row.key, row.status, row.created, row.stopped_at, duration, credits=row.credits, id=row.id)
        measured = not row.approval
        return cls(row.key, row.status, row.created_at, row.stopped_at, row.duration, measured, row.credits, id=row.id)


def lasted(created_at: float, stopped_at: float | None) -> float | None:
    """How long a run lasted, from its creation to its stop; None where the stop is not known, or comes first."""
    return None if stopped_at is None or stopped_at < created_at else round(stopped_at - created_at, 6)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest finished run, by its stop, and what is shown of it."""

    stopped_at: Number
    created_at: int
    key: int
    value: Number | None

    def replaces(self, kept: Newest | None, now: float) -> bool:
        """Whether this run is the newer one; runs of the same times are told apart by their keys.

        One that was kept from a future in which this one does not lie makes way.
        """
        mine = (self.stopped_at, self.created_at, self.key)
        if kept is None or mine > (kept.stopped_at, kept.created_at, kept.key):
            return True
        return kept.stopped_at > now + AHEAD >= self.stopped_at


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """What is known of one workflow on one branch besides its counters.

    `seen` is the newest creation, `last` has the duration of the newest run, `verdict` 1 or 0 for the newest that
    succeeded or failed. `row` has the newest verdicts, where the branch has a name.
    """

    seen: int
    last: Newest | None = None
    verdict: Newest | None = None
    row: red.Row = ()

    def with_run(self, run: FinishedRun, now: float) -> BranchFacts:
        """The facts after one more run has finished."""
        if run.stopped_at is None:
            return self
        newest = Newest(run.stopped_at, int(run.created_at), run.key, run.duration)
        last = newest if newest.replaces(self.last, now) else self.last
        verdict = self.verdict
        if run.status in VERDICTS and newest.replaces(verdict, now):
            verdict = replace(newest, value=VERDICTS[run.status])
        return replace(self, last=last, verdict=verdict)

    def judged(self, run: FinishedRun) -> BranchFacts:
        """The facts with what a finished run says of whether the branch is red: nothing where it was canceled."""
        if run.status not in VERDICTS:
            return self
        stopped_at = run.created_at if run.stopped_at is None else run.stopped_at
        identifier, failed = run.id or str(run.key), not VERDICTS[run.status]
        pipeline = run.pipeline or (run.created_at, identifier)
        verdict = red.Verdict(pipeline, run.created_at, identifier, failed, stopped_at)
        row = red.judged(self.row, verdict)
        return self if row is self.row else replace(self, row=row)


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
    branches: Mapping[str, BranchFacts] = field(default_factory=lambda: _NO_BRANCHES)

    def read(
        self,
        created: Collection[int],
        *,
        now: float,
        start: int,
        lookback: float,
        swept: bool,
        waiting: Iterable[float] = (),
    ) -> WorkflowLedger:
        """The workflow after its list was read from `start` to its end, and had runs of these creations.

        The poll began at `now`. `waiting` are the creations of runs that are to be asked for again. A branch without a
        run for as long as CircleCI has runs is given up.
        """
        known = [] if self.newest is None or (self.baseline and created) else [self.newest]
        newest = max([*created, *known], default=None)
        after = replace(
            self,
            baseline=False,
            since=start if self.baseline else self.since,
            swept_at=now if swept else self.swept_at,
        )
        if newest is None:  # the next poll reads from no later on: this machine's clock may be days ahead of CircleCI's
            return after
        latest = min(newest, now)  # neither a run dated in the future nor a clock that is ahead ends a series
        floor = max(self.floor, int(min(start, latest - lookback, *waiting)))
        branches = {name: branch for name, branch in self.branches.items() if branch.seen > latest - FURTHEST}
        return replace(after, polled_at=now, newest=newest, floor=floor, branches=branches)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that is counted of one project.

    `began` is the start of the very first look: workflows that appear later are read from there. `invented` are the
    statuses that no documentation knows. `by_stop` says that durations are stop less creation, as they are where
    pipelines are watched.
    """

    began: int
    names_at: Number
    workflows: Mapping[str, WorkflowLedger]
    invented: tuple[str, ...] = ()
    by_stop: bool = False
    cells: Cells = field(default_factory=Cells)

    def named(self, names: Collection[str], now: float) -> Ledger:
        """The ledger with the workflows that are listed, and those listed no longer while CircleCI has their runs."""
        workflows = {}
        for name, workflow in self.workflows.items():
            if name in names:
                workflows[name] = replace(workflow, unlisted_at=None)
            elif workflow.unlisted_at is None or now - workflow.unlisted_at < FURTHEST:
                workflows[name] = replace(workflow, unlisted_at=workflow.unlisted_at or now)
        for name in set(names) - workflows.keys():
            workflows[name] = WorkflowLedger(self.began)
        return replace(self, names_at=now, workflows=workflows)

    def shown_anew(self, now: float) -> Ledger:
        """The ledger after a restart: what has not risen yet is shown at 0 from now on."""
        return replace(self, cells=self.cells.shown_anew(now))


def listed(names: Mapping[str, float | None], now: float, *, read: float, lookback: float) -> Ledger:
    """A ledger as it begins when the names of workflows were asked for, each with the time of its last run.

    It begins a lookback before the newest run, or before `read`, the time by the clock that is behind. All that
    is listed then begins with runs that are not counted. What appears later is counted from its first run.
    """
    times = {name: None if last is None else int(last) for name, last in names.items()}
    newest = max((last for last in times.values() if last is not None), default=read)
    workflows = {name: WorkflowLedger(0, baseline=True, newest=last) for name, last in times.items()}
    return Ledger(int(max(min(read, newest) - lookback, 0)), now, workflows)


def begun(date: float, lookback: float) -> Ledger:
    """A ledger as it begins with the first look at pipelines, at `date` by CircleCI's clock."""
    return Ledger(int(max(date - lookback, 0)), 0.0, {}, by_stop=True)
