"""How many API calls per hour a project needs, from its settings and its workflows. Pure.

A collector is counted from its row in the table of collectors, so a new row is counted too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.config import Organization, Project
from exporter.counting.asking import wanted
from exporter.errors import PayloadError
from exporter.insights.collector import Collector
from exporter.insights.collectors import COLLECTORS, PIPELINES
from exporter.knowledge import discovered_projects, organization_lists, pipeline_calls, plan
from exporter.knowledge.holding import half
from exporter.knowledge.pipeline_calls import PipelineDay
from exporter.knowledge.snapshots import Snapshot

HOUR = 3600.0
DAY = 24 * HOUR
ROWS_A_PAGE = 20
NAMES_EVERY = HOUR
DEFAULT_BRANCH = "the default branch"
"""Stands for its name while that is not known."""


class Calls(NamedTuple):
    """API calls per hour: if no workflow's row changes, and if all of them change all the time.

    For pipelines: if their organization's list shows them all, and if it shows none.
    """

    least: float
    most: float

    def __add__(self, other: object) -> Calls:
        if not isinstance(other, Calls):
            return NotImplemented
        return Calls(self.least + other.least, self.most + other.most)


NONE = Calls(0.0, 0.0)


def calls_per_hour(
    project: Project,
    workflows: Mapping[tuple[str, str], int],
    counted: int | None = None,
    *,
    day: PipelineDay | None = None,
    listed: bool = False,
) -> Calls:
    """Add up what is asked in an hour; `workflows` counts them by branch and reporting window.

    `counted` are the workflows whose runs are counted, on whatever branch they run; where that is not known,
    they are those of the fullest scope. `day` has the project's pipelines of a day; `listed` says that its
    organization's list is read. Other answers than lists of workflows are counted with one page.
    """
    known = HOUR / DAY + min(1.0, HOUR / project.interval) * bool(project.branch_globs)
    total = Calls(known, known)
    polls = HOUR / project.interval
    for collector in plan.collectors(project.collectors):
        asked = _asked(collector, project, workflows)
        unchanged = min(polls, HOUR / collector.holds(project)) if collector.max_age else polls
        if collector.alternates:
            unchanged *= half(len(project.windows)) / len(project.windows)
        total += Calls(asked * unchanged, asked * polls)
    if counted is None:
        counted = max(workflows.values(), default=0)
    if PIPELINES in project.collectors:
        day = day or PipelineDay()
        return total + Calls(
            pipeline_calls.calls_per_hour(project, day, counted, covered=listed, vain=True),
            pipeline_calls.calls_per_hour(project, day, counted, covered=False, vain=False),
        )
    for collector in map(COLLECTORS.__getitem__, project.collectors):
        if collector.counted:
            every = project.polled_every(collector.name)
            runs = counted * HOUR / every + HOUR / (NAMES_EVERY if counted else min(NAMES_EVERY, every))
            total += Calls(runs, runs)
    return total


def lists_per_hour(projects: Iterable[Project]) -> Mapping[str, Calls]:
    """What the lists of pipelines that these projects share need, by organization."""
    shared = organization_lists.shared(projects).items()
    calls = {of: pipeline_calls.organization_list_calls_per_hour(min(each.values())) for of, each in shared}
    return {organization: Calls(each, each) for organization, each in calls.items()}


def expected(snapshot: Snapshot, *, listed: bool = False) -> Calls:
    """The same, from what is known about a project now: before its first poll, without a workflow or pipeline."""
    project = snapshot.project
    try:
        branches = plan.branches(project, snapshot.facts)
    except PayloadError:
        branches = [
            DEFAULT_BRANCH,
            *plan.branches(project.model_copy(update={"default_branch": False}), snapshot.facts),
        ]
    names = plan.workflows(snapshot, branches, per_window=True)
    scopes = [(branch, window) for branch in branches for window in project.windows]
    counted = len(wanted(snapshot.ledger, project)) if snapshot.ledger else None
    day = pipeline_calls.known_day(snapshot)
    return calls_per_hour(
        project, {scope: len(names.get(scope, ())) for scope in scopes}, counted, day=day, listed=listed
    )


def searches_per_hour(organization: Organization) -> Calls:
    """What the search for an organization's projects needs: its summaries, and pages of pipelines in some cases."""
    searches = HOUR / organization.discovery_interval
    summaries = len(organization.template.windows) * searches
    pages = 0 if discovered_projects.by_name(organization.slug) else discovered_projects.PIPELINE_PAGES
    return Calls(summaries + min(1, pages) * searches, summaries + pages * searches)


def _asked(collector: Collector, project: Project, workflows: Mapping[tuple[str, str], int]) -> float:
    by_branch: dict[str, int] = {}
    for (branch, _), count in workflows.items():
        by_branch[branch] = max(by_branch.get(branch, 0), count)
    if collector.lists:
        return sum(max(1, math.ceil(count / ROWS_A_PAGE)) for count in workflows.values())
    if "workflow" not in collector.over:
        scopes = list(by_branch) if "branch" in collector.over else [""]
        return sum(_questions(collector, branch, project.windows) for branch in scopes)
    if "window" in collector.over:
        return sum(count * _questions(collector, branch, (window,)) for (branch, window), count in workflows.items())
    return sum(count * _questions(collector, branch, ()) for branch, count in by_branch.items())


def _questions(collector: Collector, branch: str, windows: tuple[str, ...]) -> int:
    return sum(1 for _ in collector.questions("", workflow="*", branch=branch, windows=windows))
