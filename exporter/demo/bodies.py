"""Bodies of the endpoints on projects, workflows, jobs and runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.demo.aggregates import job_metrics, workflow_metrics
from exporter.demo.draws import uuid_for
from exporter.demo.messages import Refused
from exporter.demo.model import BOT, DemoProject, Owner
from exporter.demo.organization import ALL_BRANCHES, RETENTION, WINDOWS, Organization
from exporter.demo.query import ALL_BRANCHES as ALL
from exporter.demo.query import BRANCH, END, JOB, SCOPE_ID, SCOPE_TYPE, START, WORKFLOW, Query
from exporter.demo.times import written

if TYPE_CHECKING:
    from exporter.demo.model import DemoWorkflow, JobRun, Run

NOBODY = Owner("", "", "", "")
NOWHERE = DemoProject(NOBODY, "", "", "")
_PROVIDERS = {"gh": "GitHub", "bb": "Bitbucket", "circleci": "CircleCI"}
_HOSTS = {"gh": "https://github.com", "bb": "https://bitbucket.org", "circleci": "//circleci.com"}
_KINDS = {"gh": "github", "bb": "bitbucket", "circleci": "circleci"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was understood: what its path names and what its query asks."""

    organization: Organization
    query: Query
    project: DemoProject = NOWHERE
    owner: Owner = NOBODY
    workflow: str = ""
    ident: str = ""

    @property
    def branch(self) -> str | None:
        """The branch scope: all-branches wins, and nothing is the default branch."""
        return ALL_BRANCHES if self.query.flag(ALL) else self.query.one(BRANCH)


def me(call: Call) -> dict[str, Any]:
    """GET /me."""
    ident = uuid_for(f"{call.organization.seed}|me")
    return {"avatar_url": None, "id": ident, "login": BOT, "name": "Insights Bot"}


def collaborations(call: Call) -> list[dict[str, Any]]:
    """GET /me/collaborations."""
    return [
        {"id": each.id, "vcs_type": _KINDS[each.vcs], "name": each.name, "avatar_url": "", "slug": each.slug}
        for each in call.organization.roster.owners().values()
    ]


def project(call: Call) -> dict[str, Any]:
    """GET /project/{project}."""
    found = call.project
    owner = found.owner
    return {
        "slug": found.slug,
        "name": found.name,
        "id": found.id,
        "organization_name": owner.name,
        "organization_slug": owner.slug,
        "organization_id": owner.id,
        "vcs_info": {
            "vcs_url": f"{_HOSTS[owner.vcs]}/{owner.ref}/{found.ref}",
            "provider": _PROVIDERS[owner.vcs],
            "default_branch": found.default_branch,
        },
    }


def webhooks(call: Call) -> dict[str, Any]:
    """GET /webhook. Secrets are masked; the list has one page."""
    scope = call.query.one(SCOPE_ID)
    if scope is None or call.query.one(SCOPE_TYPE) is None:
        raise Refused(400, "scope-id and scope-type are required")
    if all(project.id != scope for project in call.organization.projects):
        raise Refused(404, "Scope not found")
    return {"items": call.organization.webhooks.get(scope, []), "next_page_token": None}


def branches(call: Call) -> dict[str, Any]:
    """GET /insights/{project}/branches."""
    found = call.project
    names = call.organization.branches(found.slug, call.query.one(WORKFLOW))
    return {"org_id": found.owner.id, "project_id": found.id, "branches": names}


def workflows(call: Call) -> list[tuple[DemoProject, DemoWorkflow, list[Run], float]]:
    """GET /insights/{project}/workflows: workflows that ran."""
    found, organization, window = call.project, call.organization, call.query.window
    at = organization.aggregated_at()
    ran = (
        (found, each, organization.window_runs(found.slug, each.name, call.branch, window, at), WINDOWS[window])
        for each in organization.workflows(found.slug)
    )
    return [entry for entry in ran if entry[2]]


def workflow_row(entry: tuple[DemoProject, DemoWorkflow, list[Run], float]) -> dict[str, Any]:
    """Write a workflow as the API lists it."""
    project, workflow, runs, seconds = entry
    return {
        "name": workflow.name,
        "project_id": project.id,
        "metrics": workflow_metrics(runs, seconds, measured=workflow.measured),
        **_bounds(runs[0].created, runs[-1].created),
    }


def jobs(call: Call) -> list[tuple[str, list[JobRun], float]]:
    """GET …/workflows/{workflow}/jobs: jobs that ran, none for a workflow that is not known."""
    organization, window = call.organization, call.query.window
    at = organization.aggregated_at()
    ran = organization.jobs(call.project.slug, call.workflow, call.branch, window, at)
    wanted = call.query.one(JOB) or ""
    return [(name, each, WINDOWS[window]) for name, each in ran.items() if wanted in name]


def job_row(entry: tuple[str, list[JobRun], float]) -> dict[str, Any]:
    """Write a job as the API lists it."""
    name, runs, seconds = entry
    return {"name": name, "metrics": job_metrics(runs, seconds), **_bounds(runs[0].started, runs[-1].started)}


def runs(call: Call) -> list[Run]:
    """GET …/workflows/{workflow}: single runs, newest first, none for a workflow that is not known."""
    now = call.organization.clock.now() - call.organization.delay
    start = max(call.query.time(START, now - RETENTION), now - RETENTION)
    found = call.organization.runs(call.project.slug, call.workflow, call.branch, start, now)
    end = call.query.time(END, now + 1)
    return [run for run in reversed(found) if run.created < end]


def run_row(run: Run) -> dict[str, Any]:
    """Write a run as the API lists it."""
    return {
        "id": run.id,
        "branch": run.branch,
        "duration": run.duration,
        "created_at": written(run.created),
        "stopped_at": None if run.stopped is None else written(run.stopped),
        "credits_used": run.credits,
        "status": run.status,
        "is_approval": run.is_approval,
    }


def _bounds(first: float, last: float) -> dict[str, str]:
    return {"window_start": written(first), "window_end": written(last)}
