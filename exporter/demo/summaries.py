"""Bodies of the summaries: of a workflow, a project and an organization, with their trends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from exporter.demo.generated import DAY
from exporter.demo.organization import ALL_BRANCHES, DEFAULT_WINDOW, WINDOWS, Organization
from exporter.demo.query import BRANCHES, PROJECTS, WORKFLOWS
from exporter.demo.times import written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.demo.bodies import Call
    from exporter.demo.model import DemoProject, Owner, Run

_TREND_LIMIT = 30 * DAY


def workflow_summary(call: Call) -> dict[str, Any]:
    """GET …/workflows/{workflow}/summary over the longest window, with trends against the month before."""
    organization, slug = call.organization, call.project.slug
    at = organization.aggregated_at()
    runs = organization.window_runs(slug, call.workflow, call.branch, DEFAULT_WINDOW, at)
    recent = organization.runs(slug, call.workflow, call.branch, at - _TREND_LIMIT, at)
    before = organization.runs(slug, call.workflow, call.branch, at - 2 * _TREND_LIMIT, at - _TREND_LIMIT)
    return {
        "metrics": _summary_metrics(runs, at),
        "trends": _trends(_compared(recent), _compared(before)),
        "workflow_names": [each.name for each in organization.workflows(slug)],
    }


def _summary_metrics(runs: Sequence[Run], at: float) -> dict[str, Any]:
    first, last = (runs[0].created, runs[-1].created) if runs else (at, at)
    metrics: dict[str, Any] = dict(workflow_metrics(runs, WINDOWS[DEFAULT_WINDOW])) if runs else {}
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
        "throughput": throughput(len(runs), _TREND_LIMIT),
    }


def _trends(now: dict[str, Any], before: dict[str, Any]) -> dict[str, float]:
    return {name: trend(now[name], before[name]) for name in now}


def project_summary(call: Call) -> dict[str, Any]:
    """GET /insights/pages/{project}/summary: every workflow over all branches, and each on each branch.

    Branches that are asked for narrow the totals and the rows of branches, and not the rows of workflows.
    """
    organization, project, query = call.organization, call.project, call.query
    names = [each.name for each in organization.workflows(project.slug)]
    known = organization.branches(project.slug)
    asked = query.every(BRANCHES)
    at, seconds = organization.aggregated_at(), WINDOWS[query.window]
    by_workflow, by_branch = [], []
    for name in query.every(WORKFLOWS) or names:
        runs = organization.runs(project.slug, name, ALL_BRANCHES, at - 2 * seconds, at)
        if not runs:
            continue
        by_workflow.append({"workflow_name": name, **_figures(runs, at, seconds, _workflow_figures)})
        for branch in asked or known:
            if own := [run for run in runs if run.branch == branch]:
                row = {"workflow_name": name, "branch": branch, **_figures(own, at, seconds, _workflow_figures)}
                by_branch.append(row)
    total = _project_runs(organization, project, at - 2 * seconds, at)
    total = [run for run in total if not asked or run.branch in asked]
    return {
        "org_id": project.owner.id,
        "project_id": project.id,
        "project_data": _figures(total, at, seconds, _total_figures),
        "project_workflow_data": by_workflow,
        "project_workflow_branch_data": by_branch,
        "all_branches": known,
        "all_workflows": names,
    }


def owner_summary(call: Call) -> dict[str, Any]:
    """GET /insights/{owner}/summary: projects are in it only when they are asked for by name."""
    organization, owner = call.organization, call.owner
    at, seconds = organization.aggregated_at(), WINDOWS[call.query.window]
    projects = _owned(organization, owner)
    runs = {each.name: _project_runs(organization, each, at - 2 * seconds, at) for each in projects}
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


def _owned(organization: Organization, owner: Owner) -> list[DemoProject]:
    return [each for each in organization.projects if each.owner == owner]


def _project_runs(organization: Organization, project: DemoProject, start: float, at: float) -> list[Run]:
    slug = project.slug
    each = [
        organization.runs(slug, workflow.name, ALL_BRANCHES, start, at) for workflow in organization.workflows(slug)
    ]
    return sorted((run for runs in each for run in runs), key=lambda run: run.created)


def _figures(
    runs: Sequence[Run], at: float, seconds: float, figures: Callable[[Sequence[Run], float], dict[str, Number]]
) -> dict[str, Any]:
    """Metrics of the window and trends against the one before, which CircleCI has for windows up to 30 days."""
    now = figures([run for run in runs if run.created >= at - seconds], seconds)
    before = figures([run for run in runs if run.created < at - seconds], seconds)
    return {"metrics": now, "trends": _trends(now, before) if seconds <= _TREND_LIMIT else {}}


def _workflow_figures(runs: Sequence[Run], _seconds: float) -> dict[str, Number]:
    lengths = sorted(durations(runs))
    return {
        "total_credits_used": sum(run.credits for run in runs),
        "p95_duration_secs": float(percentile(lengths, 0.95)) if lengths else 0.0,
        "total_runs": len(runs),
        "success_rate": ratio(count_of(runs, "success"), len(runs)),
    }


def _total_figures(runs: Sequence[Run], seconds: float) -> dict[str, Number]:
    return {
        "total_runs": len(runs),
        "total_duration_secs": sum(durations(runs)),
        "total_credits_used": sum(run.credits for run in runs),
        "success_rate": ratio(count_of(runs, "success"), len(runs)),
        "throughput": throughput(len(runs), seconds),
    }


def _without_throughput(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {name: value for name, value in values.items() if name != "throughput"}
        for kind, values in figures.items()
    }
