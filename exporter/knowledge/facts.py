"""What is known about a project itself, from two documents of the API. Pure.

Its default branch says which branch Insights means by default; the branches that Insights knows are what
globs are expanded from.
"""

from __future__ import annotations

from dataclasses import replace

from exporter.config import Project
from exporter.errors import PayloadError
from exporter.insights.payloads import Reading, Unreadable, at, items, optional_text
from exporter.knowledge.snapshots import Facts

PROJECT = "/project/{slug}"
BRANCH_LIST = "/insights/{slug}/branches"
PROJECT_AGE = 86_400.0
BRANCHES_AGE = 3600.0


def due(facts: Facts, now: float) -> bool:
    """Whether to ask about the project again: once a day. Times are Unix seconds."""
    return not 0 <= now - facts.asked_at < PROJECT_AGE


def branches_due(facts: Facts, now: float) -> bool:
    """Whether to ask for the branches again: once an hour."""
    return not 0 <= now - facts.branches_asked_at < BRANCHES_AGE


def default_branch(project: Project, facts: Facts | None) -> str:
    """The default branch's name, empty where it is not known and not asked for.

    Raises PayloadError when it is asked for and CircleCI names none.
    """
    name = facts.default_branch if facts else ""
    if not name and project.default_branch:
        raise PayloadError("CircleCI names no default branch; set default_branch: false and list branches")
    return name


def newer(mine: Facts | None, learned: Facts | None) -> Facts | None:
    """The facts that were asked for later, with the branches of `mine`: two polls of a project learn them."""
    if mine is None or learned is None:
        return mine or learned
    if mine.asked_at >= learned.asked_at:
        return mine
    return replace(learned, branches=mine.branches, branches_asked_at=mine.branches_asked_at)


def of_project(page: object, old: Facts | None, now: float) -> Facts:
    """Read `GET /project/{slug}`; what it does not say is empty. Raises PayloadError."""
    if not isinstance(page, dict):
        raise PayloadError("the project is not an object")
    paths = ("vcs_info.default_branch", "name", "organization_name", "vcs_info.provider")
    try:
        branch, name, organization, provider = (optional_text(at(page, path)) for path in paths)
    except Unreadable:
        raise PayloadError("the project's name or default branch is not a string") from None
    known = (old.branches, old.branches_asked_at) if old else ((), 0.0)
    return Facts(branch, name, organization, provider, now, *known, id_of_project(page))


def id_of_project(page: object) -> str:
    """The UUID of a project in `GET /project/{slug}`, empty where it is not named: events name it too."""
    try:
        return optional_text(at(page, "id")).lower()
    except Unreadable:
        return ""


def with_branches(facts: Facts, page: object, now: float) -> Facts:
    """Add what `GET /insights/{slug}/branches` says; names that are none are left out. Raises PayloadError."""
    reading = Reading()
    reading.add(items(page, "branches"), ("",), ())
    return replace(facts, branches=tuple(name for (name,), _ in reading.rows), branches_asked_at=now)
