"""The counters of one workflow on one branch, where runs are counted one by one as they end. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from exporter.runs.counters import Exemplar, newest_exemplars
from exporter.runs.folding import VERDICTS
from exporter.runs.ledger import NO_RUNS, BranchCounters, Newest, Tally


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One run to be counted; `status` is the label. Times are Unix seconds, the stop None where it is not known.

    Where it is not `dated`, its creation is not its own.
    """

    key: int
    status: str
    created_at: float
    stopped_at: float | None
    exemplar: Exemplar | None = None
    credits: float = 0.0
    dated: bool = True

    @property
    def duration(self) -> float | None:
        """From creation to stop; None where one of them is not known, or the stop comes first."""
        if self.stopped_at is None or not self.dated or self.stopped_at < self.created_at:
            return None
        return round(self.stopped_at - self.created_at, 6)


def appeared(
    counters: BranchCounters | None, bounds: tuple[float, ...], created_at: float, now: float
) -> BranchCounters:
    """The counters once something of the branch was seen: at 0, if there were none."""
    if counters is None:
        return BranchCounters(_nothing(bounds), int(created_at), born=now)
    if counters.fresh:  # its histogram has begun anew
        counters = replace(counters, fresh=False, born=now)
    return counters if counters.seen >= int(created_at) else replace(counters, seen=int(created_at))


def counted(
    counters: BranchCounters, run: FinishedRun, bounds: tuple[float, ...], now: float, hold: float
) -> BranchCounters:
    """The counters with one more run; it is held back until they have been shown at 0 for `hold` seconds."""
    added = _of_run(run, bounds)
    if run.status not in counters.counted.runs:
        shown = replace(counters.counted, runs={**counters.counted.runs, run.status: 0})
        counters = replace(counters, counted=shown, born=now)
    counters = _grown(counters, added, now, hold)
    duration = run.duration
    if duration is not None:
        bucket = bisect_left(bounds, duration)
        exemplars = newest_exemplars(counters.exemplars, bucket, len(bounds) + 1, run.exemplar)
        counters = replace(counters, exemplars=exemplars)
    return _newest(counters, run)


def credited(
    counters: BranchCounters, credits_used: float, bounds: tuple[float, ...], now: float, hold: float
) -> BranchCounters:
    """The counters with the credits of a run that was counted before."""
    return _grown(counters, replace(_nothing(bounds), runs={}, credits=credits_used), now, hold)


def released(counters: BranchCounters, now: float, hold: float) -> BranchCounters:
    """The counters with what was held back for long enough; the very same where nothing was."""
    if counters.held is None or _young(counters, now, hold):
        return counters
    return replace(counters, counted=_sum(counters.counted, counters.held), held=None)


def _grown(counters: BranchCounters, added: Tally, now: float, hold: float) -> BranchCounters:
    if counters.held is not None or _young(counters, now, hold):
        return replace(counters, held=added if counters.held is None else _sum(counters.held, added))
    return replace(counters, counted=_sum(counters.counted, added))


def _young(counters: BranchCounters, now: float, hold: float) -> bool:
    return 0 <= now - counters.born < hold


def _newest(counters: BranchCounters, run: FinishedRun) -> BranchCounters:
    if run.stopped_at is None:
        return counters
    newest = Newest(run.stopped_at, int(run.created_at), run.key, run.duration)
    if newest.after(counters.last):
        counters = replace(counters, last=newest)
    if run.status in VERDICTS and newest.after(counters.verdict):
        counters = replace(counters, verdict=replace(newest, value=VERDICTS[run.status]))
    return counters


def _of_run(run: FinishedRun, bounds: tuple[float, ...]) -> Tally:
    buckets = [0] * (len(bounds) + 1)
    if run.duration is not None:
        buckets[bisect_left(bounds, run.duration)] = 1
    return Tally(tuple(buckets), {run.status: 1}, run.duration or 0, run.credits)


def _nothing(bounds: tuple[float, ...]) -> Tally:
    return Tally((0,) * (len(bounds) + 1), NO_RUNS)


def _sum(one: Tally, other: Tally) -> Tally:
    total = one + other
    return replace(total, seconds=round(total.seconds, 6))
