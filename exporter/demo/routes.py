"""Which path is answered by what: the table of endpoints, and the way from a request to its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from exporter.demo import bodies, insights, summaries
from exporter.demo.bodies import Call
from exporter.demo.messages import API, Refused, Reply, Request, json_reply
from exporter.demo.paging import AGGREGATES, RUNS, page
from exporter.demo.pipelines import bodies as now
from exporter.demo.query import (
    ALL_BRANCHES,
    BRANCH,
    BRANCHES,
    END,
    GRANULARITY,
    JOB,
    MINE,
    ORGANIZATION,
    PAGE_TOKEN,
    PROJECTS,
    SCOPE_ID,
    SCOPE_TYPE,
    START,
    WINDOW,
    WORKFLOW,
    WORKFLOWS,
    Parameter,
    Query,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.organization import Organization

_SEGMENT = "([^/]+)"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARTS = {"project": "/".join([_SEGMENT] * 3), "owner": "/".join([_SEGMENT] * 2), "workflow": _SEGMENT, "id": _SEGMENT}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. `page` is the size of its pages, 0 where there are none; what is `live` is never cached."""

    template: str
    answer: Callable[[Call], Any]
    parameters: tuple[Parameter, ...] = ()
    page: int = 0
    live: bool = False
    row: Callable[[Any], Any] | None = None
    """Writes one row of a page, if `answer` gives what rows are made of."""

    def pattern(self) -> re.Pattern[str]:
        """Make the template an expression on raw paths: a slug's slashes stand, a name is one segment."""
        filled = re.sub(r"\\\{(\w+)\\\}", lambda part: _PARTS[part[1]], re.escape(self.template))
        return re.compile(filled)


_SCOPE = (BRANCH, ALL_BRANCHES)
ROUTES = (
    Route("/me", bodies.me),
    Route("/me/collaborations", bodies.collaborations),
    Route("/project/{project}", bodies.project),
    Route("/webhook", bodies.webhooks, (SCOPE_ID, SCOPE_TYPE), live=True),
    Route(
        "/pipeline",
        now.organization_pipelines,
        (ORGANIZATION, PAGE_TOKEN, MINE),
        AGGREGATES,
        live=True,
        row=now.pipeline_row,
    ),
    Route(
        "/project/{project}/pipeline",
        now.project_pipelines,
        (BRANCH, PAGE_TOKEN),
        AGGREGATES,
        live=True,
        row=now.pipeline_row,
    ),
    Route("/pipeline/{id}", now.pipeline, live=True),
    Route("/pipeline/{id}/workflow", now.pipeline_workflows, (PAGE_TOKEN,), AGGREGATES, live=True),
    Route("/workflow/{id}", now.workflow, live=True),
    Route("/workflow/{id}/job", now.workflow_jobs, (PAGE_TOKEN,), AGGREGATES, live=True),
    Route("/insights/pages/{project}/summary", summaries.project_summary, (WINDOW, BRANCHES, WORKFLOWS)),
    Route(
        "/insights/time-series/{project}/workflows/{workflow}/jobs",
        insights.job_series,
        (BRANCH, GRANULARITY, START, END, PAGE_TOKEN),
        RUNS,
        live=True,
        row=insights.bucket_row,
    ),
    Route(
        "/insights/{project}/workflows",
        bodies.workflows,
        (PAGE_TOKEN, *_SCOPE, WINDOW),
        AGGREGATES,
        row=bodies.workflow_row,
    ),
    Route("/insights/{project}/flaky-tests", insights.flaky_tests),
    Route("/insights/{project}/branches", bodies.branches, (WORKFLOW,)),
    Route(
        "/insights/{project}/workflows/{workflow}",
        bodies.runs,
        (PAGE_TOKEN, *_SCOPE, START, END),
        RUNS,
        live=True,
        row=bodies.run_row,
    ),
    Route(
        "/insights/{project}/workflows/{workflow}/jobs",
        bodies.jobs,
        (PAGE_TOKEN, *_SCOPE, WINDOW, JOB),
        AGGREGATES,
        row=bodies.job_row,
    ),
    Route("/insights/{project}/workflows/{workflow}/summary", summaries.workflow_summary, _SCOPE),
    Route("/insights/{project}/workflows/{workflow}/test-metrics", insights.test_metrics, _SCOPE),
    Route("/insights/{owner}/summary", summaries.owner_summary, (WINDOW, PROJECTS)),
)
_TABLE = [(route.pattern(), route) for route in ROUTES]


def find(request: Request) -> tuple[Route, list[str]]:
    """Find the endpoint of a raw path and the decoded segments that it names. Raises Refused (404, 405)."""
    path = request.path
    if path.startswith(f"{API}/"):
        for pattern, route in _TABLE:
            if match := pattern.fullmatch(path[len(API) :]):
                if request.method != "GET":
                    raise Refused(405, "Method Not Allowed")
                return route, [unquote(part) for part in match.groups()]
    raise Refused(404, "Not Found")


def respond(organization: Organization, request: Request) -> tuple[Reply, bool]:
    """Answer a request with a good token; also say whether the answer holds until the next aggregation."""
    try:
        route, named = find(request)
        query = Query(request.query, route.parameters)
        document = route.answer(_call(organization, route, named, query))
        if route.page:
            document = page(document, route.page, query.one(PAGE_TOKEN), f"{request.path}?{query.identity()}")
        if route.row:
            document["items"] = [route.row(entry) for entry in document["items"]]
        return json_reply(document), not route.live
    except Refused as refusal:
        return refusal.reply, False


def _call(organization: Organization, route: Route, named: list[str], query: Query) -> Call:
    if "{owner}" in route.template:
        owner = organization.roster.owners().get("/".join(named[:2]))
        if owner is None:
            raise Refused(404, "Organization not found")
        return Call(organization, query, owner=owner)
    if "{id}" in route.template:
        if not _UUID.fullmatch(named[0]):
            raise Refused(400, "Invalid id")
        return Call(organization, query, ident=named[0])
    if "{project}" not in route.template:
        return Call(organization, query)
    slug, workflow = named[:3], named[3:]
    project = None if any("/" in part for part in slug) else organization.roster.find("/".join(slug))
    if project is None:
        raise Refused(404, "Project not found")
    return Call(organization, query, project=project, workflow="".join(workflow))
