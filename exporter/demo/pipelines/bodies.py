"""Bodies of the endpoints on pipelines, workflows and jobs, encoded as the API does.

Pipelines have times with milliseconds, workflows and jobs have whole seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from exporter.demo.draws import uuid_for
from exporter.demo.messages import Refused
from exporter.demo.model import BOT
from exporter.demo.query import BRANCH, MINE, ORGANIZATION
from exporter.demo.times import whole_seconds, written

if TYPE_CHECKING:
    from exporter.demo.bodies import Call
    from exporter.demo.model import DemoProject
    from exporter.demo.organization import Organization
    from exporter.demo.pipelines.model import DemoPipeline, PipelineWorkflow, WorkflowJob

Listed: TypeAlias = "tuple[DemoProject, DemoPipeline, float]"
"""A pipeline with its project, and the time as of which it is listed."""
_LISTED = 250
_HOSTS = {"gh": ("GitHub", "https://github.com"), "bb": ("Bitbucket", "https://bitbucket.org")}


def organization_pipelines(call: Call) -> list[Listed]:
    """GET /pipeline: the newest pipelines of the projects that the token's user follows."""
    organization, asked, now = call.organization, call.query.one(ORGANIZATION), call.organization.clock.now()
    owners = organization.roster.owners() if asked is None else [asked]
    followed = {project.slug: project for project in organization.roster.followed()}
    found = [
        pipeline
        for owner in owners
        for pipeline in organization.newest_pipelines(owner, now)
        if pipeline.slug in followed and (not call.query.flag(MINE) or pipeline.actor == BOT)
    ]
    found.sort(key=lambda pipeline: pipeline.created, reverse=True)
    return [(followed[each.slug], each, now) for each in found[:_LISTED]]


def project_pipelines(call: Call) -> list[Listed]:
    """GET /project/{project}/pipeline: newest first, on any branch or tag unless a branch is given."""
    now, branch = call.organization.clock.now(), call.query.one(BRANCH)
    return [
        (call.project, pipeline, now)
        for pipeline in call.organization.newest_pipelines(call.project.slug, now)
        if branch is None or pipeline.branch == branch
    ]


def pipeline_row(entry: Listed) -> dict[str, Any]:
    """Write a pipeline as the API lists it."""
    project, found, now = entry
    return _pipeline(project, found.seen(now))


def pipeline(call: Call) -> dict[str, Any]:
    """GET /pipeline/{id}."""
    return _pipeline(*_found(call, call.ident))


def pipeline_workflows(call: Call) -> list[dict[str, Any]]:
    """GET /pipeline/{id}/workflow: newest first."""
    _, found = _found(call, call.ident)
    workflows = call.organization.book.workflows(found.id, call.organization.clock.now())
    return [_workflow(found, each) for each in workflows]


def workflow(call: Call) -> dict[str, Any]:
    """GET /workflow/{id}."""
    return _workflow(*_found_workflow(call))


def workflow_jobs(call: Call) -> list[dict[str, Any]]:
    """GET /workflow/{id}/job."""
    of, found = _found_workflow(call)
    jobs = call.organization.book.jobs(found.id, call.organization.clock.now())
    return [_job(of, each) for each in jobs]


def _found(call: Call, ident: str, what: str = "Pipeline") -> tuple[DemoProject, DemoPipeline]:
    organization: Organization = call.organization
    found = organization.book.pipeline(ident, organization.clock.now())
    project = None if found is None else organization.roster.find(found.slug)
    if found is None or project is None:
        raise Refused(404, f"{what} not found")
    return project, found


def _found_workflow(call: Call) -> tuple[DemoPipeline, PipelineWorkflow]:
    found = call.organization.book.workflow(call.ident, call.organization.clock.now())
    if found is None:
        raise Refused(404, "Workflow not found")
    return _found(call, found.pipeline_id, "Workflow")[1], found


def _pipeline(project: DemoProject, found: DemoPipeline) -> dict[str, Any]:
    unfetched = found.source == "unfetched"
    received = "1970-01-01T00:00:00.000Z" if unfetched else written(found.created - 0.3)
    row: dict[str, Any] = {
        "id": found.id,
        "errors": [{"type": kind, "message": text} for kind, text in found.errors],
        "project_slug": found.slug,
        "updated_at": written(found.created),
        "number": found.number,
        "state": found.state,
        "created_at": written(found.created),
        "trigger": {
            "type": found.trigger,
            "received_at": received,
            "actor": {"login": found.actor, "avatar_url": None},
        },
    }
    if found.source == "vcs":
        row["vcs"] = _vcs(project, found)
    elif unfetched:
        row["trigger_parameters"] = _unfetched_parameters(project, found)
    elif found.source == "git":
        row["trigger_parameters"] = _trigger_parameters(project, found, received)
    return row


def _vcs(project: DemoProject, found: DemoPipeline) -> dict[str, Any]:
    provider, host = _HOSTS.get(project.owner.vcs, _HOSTS["gh"])
    repository = f"{host}/{project.owner.ref}/{project.ref}"
    return {
        "provider_name": provider,
        "target_repository_url": repository,
        "origin_repository_url": repository,
        "revision": _revision(found),
        **({"branch": found.branch} if found.branch is not None else {}),
        **({"tag": found.tag} if found.tag is not None else {}),
        "commit": {"subject": f"Change number {found.number}", "body": ""},
    }


def _trigger_parameters(project: DemoProject, found: DemoPipeline, received: str) -> dict[str, Any]:
    reference = f"refs/tags/{found.tag}" if found.tag is not None else f"refs/heads/{found.branch}"
    return {
        "circleci": {
            "event_time": received,
            "event_type": "push",
            "trigger_type": "github_app",
            "actor_id": uuid_for(found.actor),
        },
        "git": {
            "branch": found.branch or "",
            "tag": found.tag or "",
            "ref": reference,
            "checkout_sha": _revision(found),
            "checkout_url": f"https://github.com/{project.owner.name}/{project.name}.git",
        },
    }


def _unfetched_parameters(project: DemoProject, found: DemoPipeline) -> dict[str, Any]:
    """Write what CircleCI knows of a commit whose configuration it could not fetch: neither branch nor tag."""
    provider = {"gh": "github", "bb": "bitbucket"}.get(project.owner.vcs, project.owner.vcs)
    circleci = {"org_name": project.owner.name, "project_name": project.name, "provider_name": provider}
    return {"git": {"checkout_sha": _revision(found)}, "circleci": circleci}


def _revision(found: DemoPipeline) -> str:
    return (found.id.replace("-", "") + "0" * 40)[:40]


def _workflow(of: DemoPipeline, found: PipelineWorkflow) -> dict[str, Any]:
    user = uuid_for(of.actor)
    row: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "created_at": whole_seconds(found.created) if found.dated else "",
        "stopped_at": "" if not found.dated else None if found.stopped is None else whole_seconds(found.stopped),
        "pipeline_id": of.id,
        "pipeline_number": of.number,
        "project_slug": of.slug,
        "started_by": user if found.dated else "",
    }
    also = {
        "tag": "setup" if found.setup else None,
        "canceled_by": user if found.status == "canceled" else None,
        "errored_by": user if found.status == "error" else None,
        "auto_rerun_number": found.auto_rerun_number,
        "max_auto_reruns": found.max_auto_reruns,
    }
    return row | {key: value for key, value in also.items() if value is not None}


def _job(of: DemoPipeline, found: WorkflowJob) -> dict[str, Any]:
    approval = found.type == "approval"
    row: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "type": found.type,
        "status": found.status,
        "started_at": None if found.started is None else whole_seconds(found.started),
        "dependencies": list(found.dependencies),
        "requires": {each: ["success"] for each in found.dependencies},
        "project_slug": of.slug,
    }
    if found.number is not None:
        row["job_number"] = found.number
    if found.stopped is not None:
        row["stopped_at"] = whole_seconds(found.stopped)
    if approval:
        row["approval_request_id"] = found.id
    if approval and found.status == "success":
        row["approved_by"] = uuid_for(of.actor)
    if found.status == "canceled":
        row["canceled_by"] = uuid_for(of.actor)
    return row
