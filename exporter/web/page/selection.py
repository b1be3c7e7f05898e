"""Which projects and workflows one page shows: searched, sorted worst first, cut into slices of bounded size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar
from urllib.parse import urlencode

from exporter.insights.collectors import LISTING
from exporter.web.page.overview import Health, Overview, ProjectView, RedView, RunView, WorkflowView

PROJECTS_A_PAGE = 20
WORKFLOWS_A_PAGE = 50
_LONGEST = 200
_MOST_DIGITS = 6
_RANK = {state: rank for rank, state in enumerate(Health)}

T = TypeVar("T")
Run = TypeVar("Run", RunView, RedView)


@dataclass(frozen=True, slots=True)
class Query:
    """What the address of the page asks for. Whatever it cannot mean is ignored: no address makes the page fail."""

    text: str = ""
    project: str = ""
    state: Health | None = None
    projects_page: int = 1
    workflows_page: int = 1
    refresh: bool = True

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Query:
        """Read `q`, `project`, `state`, `pp`, `wp` and `refresh=off`."""
        state = parameters.get("state")
        return cls(
            text=parameters.get("q", "").strip()[:_LONGEST],
            project=parameters.get("project", "")[:_LONGEST],
            state=next((known for known in Health if known.value == state), None),
            projects_page=_page_number(parameters.get("pp", "")),
            workflows_page=_page_number(parameters.get("wp", "")),
            refresh=parameters.get("refresh") != "off",
        )

    def link(self, **changes: object) -> str:
        """Return the address of this page with changes, relative to wherever the page is mounted."""
        new = replace(self, **changes)  # type: ignore[arg-type]
        if changes.keys() & {"text", "project", "state"}:
            new = replace(new, projects_page=1, workflows_page=1)
        parameters = {
            "q": new.text,
            "project": new.project,
            "state": new.state.value if new.state else "",
            "pp": str(new.projects_page) if new.projects_page > 1 else "",
            "wp": str(new.workflows_page) if new.workflows_page > 1 else "",
            "refresh": "" if new.refresh else "off",
        }
        return "?" + urlencode({key: value for key, value in parameters.items() if value}, errors="replace")


@dataclass(frozen=True, slots=True)
class Ranked(Generic[T]):
    """A project with the worst state of its collectors, or a workflow with that of the one its figures come from.

    `searched` is the text that a search looks at.
    """

    view: T
    state: Health
    searched: str


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One page of a list: its rows, and where it stands among them all."""

    rows: Sequence[T]
    number: int
    last: int
    total: int

    @classmethod
    def cut(cls, found: Sequence[T], number: int, size: int) -> Slice[T]:
        """Cut page `number`; beyond the last one it is the last."""
        last = max(1, math.ceil(len(found) / size))
        number = min(number, last)
        start = (number - 1) * size
        return cls(found[start : start + size], number, last, len(found))


class Ranking:
    """The sorted lists of one overview; those of `before` where they would be the same.

    Workflows are many, and which comes first depends on no more of the projects than their states: a poll that went
    as the one before, or another second, sorts none of them.
    """

    projects: Sequence[Ranked[ProjectView]]
    workflows: Sequence[Ranked[WorkflowView]]

    def __init__(self, overview: Overview, before: Ranking | None = None) -> None:
        self.source = overview.projects, overview.workflows
        if before is not None and before.source[0] is overview.projects:
            self.projects = before.projects
        else:
            ranked = map(_rank_project, overview.projects)
            self.projects = sorted(ranked, key=lambda each: (_RANK[each.state], each.searched))
        self.states = Counter(project.state for project in self.projects)
        self.ranks = {project.view.name: _state_of_workflows(project) for project in self.projects}
        if before is not None and before.source[1] is overview.workflows and before.ranks == self.ranks:
            self.workflows = before.workflows
        else:
            self.workflows = sorted(
                (_rank_workflow(view, self.ranks) for view in overview.workflows), key=_workflow_key
            )

    def select(self, query: Query) -> tuple[Slice[Ranked[ProjectView]], Slice[Ranked[WorkflowView]]]:
        """Return the page of projects and the page of workflows that a query asks for."""
        text = query.text.casefold()
        workflows, projects = self.workflows, self.projects
        if query.state:
            projects = [project for project in projects if project.state is query.state]
            names = {project.view.name for project in projects}
            workflows = [workflow for workflow in workflows if workflow.view.project in names]
        if query.project:
            projects = [project for project in projects if project.view.name == query.project]
            workflows = [workflow for workflow in workflows if workflow.view.project == query.project]
        if text:
            workflows = [workflow for workflow in workflows if text in workflow.searched]
            # A project is found by its own name, and by that of any of its workflows.
            names = {workflow.view.project for workflow in workflows}
            projects = [project for project in projects if text in project.searched or project.view.name in names]
        return (
            Slice.cut(projects, query.projects_page, PROJECTS_A_PAGE),
            Slice.cut(workflows, query.workflows_page, WORKFLOWS_A_PAGE),
        )

    def runs(self, runs: Sequence[Run], query: Query) -> Sequence[Run]:
        """Return the runs in progress, or what is red, that a query asks for, in their order."""
        text = query.text.casefold()
        if query.state:
            names = {project.view.name for project in self.projects if project.state is query.state}
            runs = [run for run in runs if run.project in names]
        if query.project:
            runs = [run for run in runs if run.project == query.project]
        if text:
            runs = [run for run in runs if text in f"{run.project}\n{run.workflow}\n{run.branch}".casefold()]
        return runs


def _page_number(text: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return max(1, int(text)) if plain else 1


def _rank_project(view: ProjectView) -> Ranked[ProjectView]:
    state = min((collector.state for collector in view.collectors), key=_RANK.__getitem__, default=Health.PENDING)
    return Ranked(view, state, f"{view.name}\n{view.slug}".casefold())


def _state_of_workflows(project: Ranked[ProjectView]) -> Health:
    states = (collector.state for collector in project.view.collectors if collector.name == LISTING.name)
    return next(states, project.state)


def _rank_workflow(view: WorkflowView, states: Mapping[str, Health]) -> Ranked[WorkflowView]:
    state = states.get(view.project, Health.OK)
    return Ranked(view, state, f"{view.project}\n{view.name}\n{view.branch}".casefold())


def _workflow_key(workflow: Ranked[WorkflowView]) -> tuple[int, bool, float, str]:
    ratio = workflow.view.success_ratio
    known = ratio is not None and math.isfinite(ratio)
    return _RANK[workflow.state], not known, ratio if known and ratio is not None else 0.0, workflow.searched
