"""The few numbers of each workflow that a person wants to see on the page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from exporter.insights.collectors import COLLECTORS
from exporter.knowledge.packing import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.config import Project
    from exporter.insights.payloads import Number
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part
    from exporter.publishing.sections import Basis

    Parts = Sequence[tuple[Question, Part]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a workflow, and those of the answer before."""

    workflow: str
    branch: str
    window: str
    success_ratio: Number | None
    median: Number | None
    p95: Number | None
    runs: Number | None
    previous_success_ratio: Number | None = None
    previous_p95: Number | None = None


class PageFigures:
    """The numbers of all workflows of a project, made when somebody looks at the page, and then kept."""

    def __init__(self, project: Project | None = None, parts: Parts = (), before: PageFigures | None = None) -> None:
        """Those of `before` stay where they would be the same."""
        self._project, self._parts = project, parts
        self.basis: Basis = project, *chain.from_iterable((each, part.rows, part.previous) for each, part in parts)
        if before is not None and "workflows" in vars(before) and before.basis == self.basis:
            self.workflows = before.workflows

    @cached_property
    def workflows(self) -> tuple[Figures, ...]:
        project = self._project
        if project is None:
            return ()
        return tuple(each for question, part in self._parts for each in figures(project, question, part))


def figures(project: Project, question: Question, part: Part) -> Iterator[Figures]:
    """The numbers of each workflow of a part."""
    collector = COLLECTORS[question.collector]
    if collector.page is None:
        return
    (table,) = collector.tables
    paths = [family.path for family in table.families]
    success, median, p95, runs = map(paths.index, collector.page)
    before = dict(unpack(part.previous, table)) if part.previous else {}
    for (workflow,), values in unpack(part.rows, table):
        if project.workflows.match(workflow):
            old = before.get((workflow,))
            yield Figures(
                workflow,
                question.branch,
                question.window,
                values[success],
                values[median],
                values[p95],
                values[runs],
                old[success] if old else None,
                old[p95] if old else None,
            )
