"""What `check` finds out online: the token, each project, its scopes, and why something is empty."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from exporter.cli.pipeline_check import Survey, survey
from exporter.cli.webhook_check import Registered
from exporter.client import Client
from exporter.config import Project
from exporter.errors import PollError
from exporter.insights.collectors import LISTING, PIPELINES, counts
from exporter.insights.payloads import Unreadable, at, optional_text
from exporter.insights.questions import ALL_BRANCHES, Question
from exporter.knowledge import labels, plan
from exporter.knowledge.facts import BRANCH_LIST, PROJECT, of_project, with_branches
from exporter.polling.attempt import Attempts

WIDEST_WINDOW = "last-90-days"
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Scope:
    """One branch and window: the workflows found, and a reason where there are none."""

    branch: str
    window: str
    workflows: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One project: whether it can be polled, or the error in words and its reason where CircleCI caused it.

    `counted` are the workflows whose runs are counted, where they are; `pipelines` is what its pipelines are like,
    where they are looked at. `project_id` is the project's UUID; `webhook` says whether it has one, if that was asked.
    """

    project: Project
    default_branch: str = ""
    scopes: tuple[Scope, ...] = ()
    error: str = ""
    reason: str = ""
    counted: tuple[str, ...] | None = None
    pipelines: Survey | None = None
    project_id: str = ""
    webhook: Registered | None = None


def token_owner(client: Client) -> str:
    """The login that the token belongs to; empty where CircleCI accepts the token and does not name its owner.

    Raises PollError when asking on would be of no use: CircleCI refuses the token, or does not answer.
    """
    try:
        page = next(client.pages(Question(LISTING.name, "/me", ""), deadline=time.monotonic() + PATIENCE))
        return optional_text(at(page, "login"))
    except PollError as error:
        if error.ends_poll:
            raise
    except Unreadable:
        pass  # a login that is no text: whatever it is, the token was accepted
    return ""


def examine(client: Client, project: Project) -> Finding:
    """Ask what a project's first poll would ask, and more if that is empty."""
    deadline = time.monotonic() + PATIENCE
    try:
        now = time.time()
        page = next(client.pages(Question(LISTING.name, PROJECT, project.slug), deadline=deadline))
        facts = of_project(page, None, now)
        if project.name == project.slug and (label := labels.wanted(project, facts)):
            project = project.model_copy(update={"name": label})
        if project.branch_globs:
            page = next(client.pages(Question(LISTING.name, BRANCH_LIST, project.slug), deadline=deadline))
            facts = with_branches(facts, page, now)
        branches = plan.branches(project, facts)
        scopes = [
            Scope(branch, window, _names(client, project, branch, window, deadline))
            for branch in branches
            for window in project.windows
        ]
        explained = [
            scope if scope.workflows else replace(scope, reason=_reason(client, project, scope, deadline))
            for scope in scopes
        ]
        error = "" if scopes else f"no branch that Insights knows matches {', '.join(project.branch_globs)}"
        counted = None
        if counts(project.collectors):
            counted = tuple(
                filter(project.workflows.match, _names(client, project, ALL_BRANCHES, WIDEST_WINDOW, deadline))
            )
        return Finding(project, facts.default_branch, tuple(explained), error, counted=counted, project_id=facts.id)
    except PollError as error:
        return Finding(project, error=str(error), reason=error.reason)


def with_pipelines(finding: Finding, attempts: Attempts) -> Finding:
    """Add what a project's pipelines are like, where they are looked at. Raises Stopped."""
    if finding.error or PIPELINES not in finding.project.collectors:
        return finding
    try:
        return replace(finding, pipelines=survey(attempts, finding.project))
    except PollError as error:
        return replace(finding, error=str(error), reason=error.reason)


def _names(client: Client, project: Project, branch: str, window: str, deadline: float) -> tuple[str, ...]:
    (question,) = LISTING.questions(project.slug, branch=branch, windows=[window])
    rows, _ = LISTING.read(list(client.pages(question, deadline=deadline)), question, time.time())
    return tuple(name for ((name,), _) in rows[LISTING.tables[0].name])


def _reason(client: Client, project: Project, scope: Scope, deadline: float) -> str:
    """Why a scope is empty: what the widest window and all branches hold."""
    found = [f"0 on {scope.branch} in {scope.window}"]
    if scope.window != WIDEST_WINDOW:
        found.append(f"{len(_names(client, project, scope.branch, WIDEST_WINDOW, deadline))} in {WIDEST_WINDOW}")
    if scope.branch != ALL_BRANCHES:
        found.append(f"{len(_names(client, project, ALL_BRANCHES, scope.window, deadline))} on all branches")
    return ", ".join(found)
