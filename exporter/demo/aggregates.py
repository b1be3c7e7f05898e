"""Insights' aggregates of runs: the numbers that the exporter exposes, computed from what happened."""

from __future__ import annotations

from math import sqrt
from statistics import fmean
from typing import TYPE_CHECKING

from exporter.demo.generated import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.demo.model import JobRun, Run

Number = int | float
Metrics = dict[str, "Number | dict[str, Number | None] | None"]

INFINITE = -1.0
_SPREAD = ("min", "mean", "median", "p95", "max", "standard_deviation")


def percentile(ordered: Sequence[int], part: float) -> int:
    """Return the value below which that part lies, interpolated between neighbors and cut to a whole number."""
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return int(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def spread(values: Iterable[int]) -> dict[str, Number | None]:
    """Return the `duration_metrics` of durations in seconds; null without any."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(_SPREAD)
    mean = fmean(ordered)
    deviation = sqrt(sum((value - mean) ** 2 for value in ordered) / max(1, len(ordered) - 1))
    return {
        "min": ordered[0],
        "mean": int(mean),
        "median": percentile(ordered, 0.5),
        "p95": percentile(ordered, 0.95),
        "max": ordered[-1],
        "standard_deviation": float(int(deviation)),
    }


def throughput(total: int, seconds: float) -> float:
    """Return runs a day over a window of so many seconds, from whenever on something ran in it."""
    return total / (seconds / DAY)


def ratio(part: int, whole: int) -> float:
    """Return a part of a whole; 0.0 of nothing."""
    return part / whole if whole else 0.0


def mean_recovery(runs: Iterable[Run]) -> int | None:
    """Mean seconds from a failure to the next success, of runs in the order of their creation; None without any."""
    failed_at: float | None = None
    recoveries: list[float] = []
    for run in runs:
        if run.stopped is None:
            continue
        if run.status == "failed" and failed_at is None:
            failed_at = run.stopped
        elif run.status == "success" and failed_at is not None:
            recoveries.append(max(0.0, run.stopped - failed_at))
            failed_at = None
    return int(fmean(recoveries)) if recoveries else None


def count_of(runs: Iterable[Run | JobRun], status: str) -> int:
    """How many ended like that."""
    return sum(run.status == status for run in runs)


def workflow_metrics(runs: Sequence[Run], seconds: float, *, measured: bool = True) -> Metrics:
    """Return the `metrics` of a workflow from its runs in a window, as they are seen, oldest first, at least one."""
    successful = count_of(runs, "success")
    return {
        "total_runs": len(runs),
        "successful_runs": successful,
        "failed_runs": count_of(runs, "failed"),
        "success_rate": ratio(successful, len(runs)),
        "throughput": throughput(len(runs), seconds),
        "mttr": mean_recovery(runs) if measured else None,
        "total_credits_used": sum(run.credits for run in runs) if measured else None,
        "total_recoveries": 0,
        "median_credits_used": 0,
        "duration_metrics": {**spread(durations(runs)), "total_duration": 0},
    }


def durations(runs: Iterable[Run]) -> list[int]:
    """Durations of finished runs, in seconds; approvals have none."""
    return [run.duration for run in runs if run.duration is not None and not run.is_approval]


def job_metrics(runs: Sequence[JobRun], seconds: float) -> Metrics:
    """Return the `metrics` of a job from its runs in a window, oldest first, at least one."""
    successful = count_of(runs, "success")
    return {
        "total_runs": len(runs),
        "successful_runs": successful,
        "failed_runs": count_of(runs, "failed"),
        "success_rate": ratio(successful, len(runs)),
        "throughput": throughput(len(runs), seconds),
        "total_credits_used": sum(run.credits for run in runs),
        "duration_metrics": spread(run.duration for run in runs if run.duration is not None),
    }


def trend(current: Number | None, prior: Number | None) -> float:
    """Compare with the window before: 1.0 is no change, -1.0 stands for infinite."""
    if not prior:
        return INFINITE if current else 1.0
    return (current or 0) / prior
