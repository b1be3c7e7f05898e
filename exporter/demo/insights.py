"""Bodies of the endpoints beyond workflows, jobs and runs: summaries, tests, buckets, pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from exporter.demo import flakes
from exporter.demo.aggregates import (
    Number,
    count_of,
    durations,
    mean_recovery,
    percentile,
    ratio,
    spread,
    throughput,
    trend,
    workflow_metrics,
)
from exporter.demo.bodies import Call
from exporter.demo.draws import uuid_for
from exporter.demo.generated import DAY, job_runs
from exporter.demo.model import JobRun, Owner, Project, Run
from exporter.demo.organisation import ALL_BRANCHES, DEFAULT_WINDOW, RETENTION, WINDOWS, Organisation
from exporter.demo.query import BRANCHES, END, GRANULARITY, ORGANISATION, PROJECTS, START, WORKFLOWS
from exporter.demo.times import written

_HOUR = 3_600
_HOURLY_KEPT = 48 * _HOUR
_TREND_LIMIT = 30 * DAY


def flaky_tests(call: Call) -> dict[str, Any]:
    """GET /insights/{project}/flaky-tests, with keys as production writes them."""
    entries = flakes.flakes(call.organisation, call.of)
    return {"flaky_tests": entries, "total_flaky_tests": flakes.unique_tests(entries)}


def test_metrics(call: Call) -> dict[str, Any]:
    """GET …/test-metrics of the newest finished runs."""
    organisation, slug = call.organisation, call.of.slug
    at = organisation.aggregated_at()
    found = organisation.workflow(slug, call.workflow)
    runs = organisation.runs(slug, call.workflow, call.branch, at - RETENTION, at) if found and found.tests else []
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


def workflow_summary(call: Call) -> dict[str, Any]:
    """GET …/workflows/{workflow}/summary over the longest window, with trends against the month before."""
    organisation, slug = call.organisation, call.of.slug
    at = organisation.aggregated_at()
    runs = organisation.window_runs(slug, call.workflow, call.branch, DEFAULT_WINDOW, at)
    recent = organisation.runs(slug, call.workflow, call.branch, at - _TREND_LIMIT, at)
    before = organisation.runs(slug, call.workflow, call.branch, at - 2 * _TREND_LIMIT, at - _TREND_LIMIT)
    return {
        "metrics": _summary_metrics(runs, at),
        "trends": _trends(_compared(recent), _compared(before)),
        "workflow_names": [each.name for each in organisation.workflows(slug)],
    }


def _summary_metrics(runs: Sequence[Run], at: float) -> dict[str, Any]:
    first, last = (runs[0].created, runs[-1].created) if runs else (at, at)
    metrics: dict[str, Any] = dict(workflow_metrics(runs)) if runs else {}
    successful = count_of(runs, "success")
    return {
        "total_runs": len(runs),
        "successful_runs": successful,
        "failed_runs": count_of(runs, "failed"),
        "completed_runs": sum(run.stopped is not None for run in runs) if runs else None,
        "mttr": metrics.get("mttr"),
        "total_credits_used": metrics.get("total_credits_used"),
        "success_rate": ratio(successful, len(runs)),
        "throughput": metrics.get("throughput", 0.0),
        "duration_metrics": spread(durations(runs)),
        "window_start": written(first),
        "window_end": written(last),
    }


def _compared(runs: Sequence[Run]) -> dict[str, Number | None]:
    lengths = sorted(durations(runs))
    return {
        "total_runs": len(runs),
        "failed_runs": count_of(runs, "failed"),
        "success_rate": ratio(count_of(runs, "success"), len(runs)),
        "p95_duration_secs": percentile(lengths, 0.95) if lengths else None,
        "median_duration_secs": percentile(lengths, 0.5) if lengths else None,
        "total_credits_used": sum(run.credits for run in runs),
        "mttr": mean_recovery(runs),
        "throughput": _throughput(runs),
    }


def _trends(now: dict[str, Any], before: dict[str, Any]) -> dict[str, float]:
    return {name: trend(now[name], before[name]) for name in now}


def _throughput(runs: Sequence[Run]) -> float:
    created = [run.created for run in runs]
    return throughput(len(runs), min(created), max(created)) if runs else 0.0


def project_summary(call: Call) -> dict[str, Any]:
    """GET /insights/pages/{project}/summary: every workflow over all branches, and each on each branch."""
    organisation, project, query = call.organisation, call.of, call.query
    names = [each.name for each in organisation.workflows(project.slug)]
    known = organisation.branches(project.slug)
    asked = query.every(BRANCHES)
    at, seconds = organisation.aggregated_at(), WINDOWS[query.window]
    by_workflow, by_branch = [], []
    for name in query.every(WORKFLOWS) or names:
        runs = organisation.runs(project.slug, name, ALL_BRANCHES, at - 2 * seconds, at)
        kept = [run for run in runs if not asked or run.branch in asked]
        if not kept:
            continue
        by_workflow.append({"workflow_name": name, **_figures(kept, at, seconds, _workflow_figures)})
        for branch in asked or known:
            if own := [run for run in kept if run.branch == branch]:
                row = {"workflow_name": name, "branch": branch, **_figures(own, at, seconds, _workflow_figures)}
                by_branch.append(row)
    everything = _project_runs(organisation, project, at - 2 * seconds, at)
    return {
        "org_id": project.owner.id,
        "project_id": project.id,
        "project_data": _figures(everything, at, seconds, _total_figures),
        "project_workflow_data": by_workflow,
        "project_workflow_branch_data": by_branch,
        "all_branches": known,
        "all_workflows": names,
    }


def owner_summary(call: Call) -> dict[str, Any]:
    """GET /insights/{owner}/summary: projects are in it only when they are asked for by name."""
    organisation, owner = call.organisation, call.owner
    assert owner is not None
    at, seconds = organisation.aggregated_at(), WINDOWS[call.query.window]
    projects = _owned(organisation, owner)
    runs = {each.name: _project_runs(organisation, each, at - 2 * seconds, at) for each in projects}
    everything = sorted((run for each in runs.values() for run in each), key=lambda run: run.created)
    return {
        "org_data": _figures(everything, at, seconds, _total_figures),
        "org_project_data": [
            {"project_name": name, **_without_throughput(_figures(runs[name], at, seconds, _total_figures))}
            for name in call.query.every(PROJECTS)
            if name in runs
        ],
        "all_projects": [each.name for each in projects],
    }


def _owned(organisation: Organisation, owner: Owner) -> list[Project]:
    return [each for each in organisation.projects if each.owner == owner]


def _project_runs(organisation: Organisation, project: Project, start: float, at: float) -> list[Run]:
    slug = project.slug
    each = [
        organisation.runs(slug, workflow.name, ALL_BRANCHES, start, at) for workflow in organisation.workflows(slug)
    ]
    return sorted((run for runs in each for run in runs), key=lambda run: run.created)


def _figures(runs: Sequence[Run], at: float, seconds: float, figures: Any) -> dict[str, Any]:
    """Metrics of the window and trends against the one before, which CircleCI has for windows up to 30 days."""
    now = figures([run for run in runs if run.created >= at - seconds])
    before = figures([run for run in runs if run.created < at - seconds])
    return {"metrics": now, "trends": _trends(now, before) if seconds <= _TREND_LIMIT else {}}


def _workflow_figures(runs: Sequence[Run]) -> dict[str, Number]:
    lengths = sorted(durations(runs))
    return {
        "total_credits_used": sum(run.credits for run in runs),
        "p95_duration_secs": float(percentile(lengths, 0.95)) if lengths else 0.0,
        "total_runs": len(runs),
        "success_rate": ratio(count_of(runs, "success"), len(runs)),
    }


def _total_figures(runs: Sequence[Run]) -> dict[str, Number]:
    return {
        "total_runs": len(runs),
        "total_duration_secs": sum(durations(runs)),
        "total_credits_used": sum(run.credits for run in runs),
        "success_rate": ratio(count_of(runs, "success"), len(runs)),
        "throughput": _throughput(runs),
    }


def _without_throughput(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {name: value for name, value in values.items() if name != "throughput"}
        for kind, values in figures.items()
    }


def job_series(call: Call) -> list[dict[str, Any]]:
    """GET /insights/time-series/…/jobs: buckets of each job, newest first; without a branch of the default one."""
    organisation, slug = call.organisation, call.of.slug
    hourly = call.query.one(GRANULARITY) == "hourly"
    size = _HOUR if hourly else DAY
    at = organisation.clock.now()
    start = max(call.query.time(START, 0), at - (_HOURLY_KEPT if hourly else RETENTION))
    end = call.query.time(END, at)
    found = organisation.workflow(slug, call.workflow)
    buckets: dict[tuple[float, str], list[JobRun]] = {}
    for run in organisation.runs(slug, call.workflow, call.branch, start, at) if found else ():
        for each in job_runs(found, run) if found and run.created < end else ():
            buckets.setdefault((-(each.started // size * size), each.job.name), []).append(each)
    return [_bucket(name, -begun, runs, hourly=hourly) for (begun, name), runs in sorted(buckets.items())]


def _bucket(name: str, begun: float, runs: Sequence[JobRun], *, hourly: bool) -> dict[str, Any]:
    lengths = sorted(run.duration for run in runs if run.duration is not None)
    whole = spread(lengths)
    return {
        "name": name,
        "timestamp": written(begun),
        "min_started_at": written(min(run.started for run in runs)),
        "max_ended_at": written(max(run.stopped or run.started for run in runs)),
        "metrics": {
            "total_runs": len(runs),
            "failed_runs": count_of(runs, "failed"),
            "successful_runs": count_of(runs, "success"),
            "throughput": float(len(runs) * (24 if hourly else 1)),
            "median_credits_used": int(median(run.credits for run in runs)),
            "total_credits_used": sum(run.credits for run in runs),
            "duration_metrics": {
                **{key: whole[key] for key in ("min", "median", "max", "p95")},
                "total": sum(lengths) if lengths else None,
            },
        },
    }


def pipelines(call: Call) -> list[dict[str, Any]]:
    """GET /pipeline: the newest pipelines of the organisation's projects, each project's newest first."""
    asked = call.query.one(ORGANISATION)
    organisation = call.organisation
    now = organisation.clock.now()
    rows = []
    for project in organisation.projects:
        if asked in (None, project.owner.slug):
            rows += [_pipeline(project, now - 600 * index, index) for index in range(3)]
    return sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)[:250]


def _pipeline(project: Project, at: float, index: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": uuid_for(f"{project.slug}|pipeline|{index}"),
        "errors": [],
        "project_slug": project.slug,
        "updated_at": written(at),
        "number": 1000 - index,
        "state": "created",
        "created_at": written(at),
        "trigger": {"type": "webhook", "received_at": written(at), "actor": {"login": "octo", "avatar_url": None}},
    }
    if project.owner.vcs != "circleci":
        host = "https://github.com" if project.owner.vcs == "gh" else "https://bitbucket.org"
        repository = f"{host}/{project.owner.ref}/{project.ref}"
        row["vcs"] = {
            "provider_name": "GitHub" if project.owner.vcs == "gh" else "Bitbucket",
            "target_repository_url": repository,
            "origin_repository_url": repository,
            "branch": project.default_branch,
            "revision": None,
        }
    return row
