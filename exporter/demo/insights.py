"""Bodies of the endpoints on tests, and on jobs by day or hour."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from exporter.demo import flakes
from exporter.demo.aggregates import count_of, spread
from exporter.demo.generated import DAY, job_runs
from exporter.demo.organization import RETENTION
from exporter.demo.query import END, GRANULARITY, START
from exporter.demo.times import written

if TYPE_CHECKING:
    from exporter.demo.bodies import Call
    from exporter.demo.model import JobRun

_HOUR = 3_600
_HOURLY_KEPT = 48 * _HOUR


def flaky_tests(call: Call) -> dict[str, Any]:
    """GET /insights/{project}/flaky-tests, with keys as production writes them."""
    entries = flakes.flakes(call.organization, call.project)
    return {"flaky_tests": entries, "total_flaky_tests": len(entries)}


def test_metrics(call: Call) -> dict[str, Any]:
    """GET …/test-metrics of the newest finished runs."""
    organization, slug = call.organization, call.project.slug
    at = organization.aggregated_at()
    found = organization.workflow(slug, call.workflow)
    runs = organization.runs(slug, call.workflow, call.branch, at - RETENTION, at) if found and found.tests else []
    newest = [run for run in runs if run.stopped is not None][-flakes.LOOKED_AT :]
    rows = flakes.tests(found, newest) if found else []
    failed = sorted((row for row in rows if row["failed_runs"]), key=lambda row: -int(row["failed_runs"]))
    slowest = sorted(rows, key=lambda row: -float(row["p95_duration"] or 0))
    return {
        "average_test_count": found.tests if found and newest else 0,
        "most_failed_tests": failed,
        "most_failed_tests_extra": 0,
        "slowest_tests": slowest,
        "slowest_tests_extra": max(0, found.tests - len(rows)) if found and newest else 0,
        "total_test_runs": len(newest),
        "test_runs": [flakes.test_run(found, run) for run in newest] if found else [],
    }


def job_series(call: Call) -> list[tuple[tuple[float, str], list[JobRun]]]:
    """GET /insights/time-series/…/jobs: buckets of each job, newest first; without a branch of the default one."""
    organization, slug = call.organization, call.project.slug
    hourly = call.query.one(GRANULARITY) == "hourly"
    size = _HOUR if hourly else DAY
    at = organization.clock.now()
    start = max(call.query.time(START, 0), at - (_HOURLY_KEPT if hourly else RETENTION))
    end = call.query.time(END, at)
    found = organization.workflow(slug, call.workflow)
    buckets: dict[tuple[float, str], list[JobRun]] = {}
    for run in organization.runs(slug, call.workflow, call.branch, start, at) if found else ():
        for each in job_runs(found, run) if found and run.created < end else ():
            buckets.setdefault((-(each.started // size * size), each.job.name), []).append(each)
    return sorted(buckets.items(), key=lambda entry: entry[0])


def bucket_row(entry: tuple[tuple[float, str], list[JobRun]]) -> dict[str, Any]:
    """Write what a job did in a day or an hour as the API lists it."""
    (before, name), runs = entry
    lengths = sorted(run.duration for run in runs if run.duration is not None)
    whole = spread(lengths)
    return {
        "name": name,
        "timestamp": written(-before),
        "min_started_at": written(min(run.started for run in runs)),
        "max_ended_at": written(max(run.stopped or run.started for run in runs)),
        "metrics": {
            "total_runs": len(runs),
            "failed_runs": count_of(runs, "failed"),
            "successful_runs": count_of(runs, "success"),
            "throughput": float(len(runs)),
            "median_credits_used": int(median(run.credits for run in runs)),
            "total_credits_used": sum(run.credits for run in runs),
            "duration_metrics": {
                **{key: whole[key] for key in ("min", "median", "max", "p95")},
                "total": sum(lengths) if lengths else None,
            },
        },
    }
