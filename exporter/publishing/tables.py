"""A table's rows as sample lines, in the order of their labels."""

from __future__ import annotations

from operator import add, itemgetter
from typing import TYPE_CHECKING

from exporter.formats.exposition import escaped, label_pattern
from exporter.knowledge.packing import unpack_texts
from exporter.publishing.sections import FamilyText, Rendered, how_many_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporter.config import Project
    from exporter.insights.collector import Table
    from exporter.insights.family import Family
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part

    Parts = Sequence[tuple[Question, Part]]
    Row = tuple[str, Sequence[str | None]]
    """How all labels of a label set stand before a number, and its numbers as texts."""


def table_section(project: Project, table: Table, parts: Parts, room: int) -> Rendered:
    """The lines of a table. Where there is no room for all rows, the first by their labels are kept."""
    every, wanted = project.metrics.all, project.metrics.match
    places = [place for place, family in enumerate(table.families) if every or wanted(family.name)]
    if not places:
        return Rendered()
    rows = [row for question, part in parts for row in _rows(project, table, question, part, places)]
    rows.sort(key=itemgetter(0))
    sizes = [len(values) - values.count(None) for _, values in rows]
    fitting = how_many_fit(sizes, room)
    texts = {}
    for family, text in _written(rows[:fitting], [table.families[place] for place in places]):
        texts[family.name] = FamilyText(text, text)
    return Rendered(texts, sum(sizes[:fitting]), sum(sizes[fitting:]))


def _rows(project: Project, table: Table, question: Question, part: Part, places: Sequence[int]) -> Sequence[Row]:
    """The rows of one part that the settings want, with the numbers of some families."""
    if question.workflow and not project.workflows.match(question.workflow):
        return []
    wanted = {"workflow": project.workflows, "job_name": project.jobs}
    checks = [(place, wanted[name]) for place, name in enumerate(table.own) if name in wanted and not wanted[name].all]
    known = {
        "project": project.name,
        "workflow": question.workflow,
        "branch": question.branch,
        "window": question.window,
        "granularity": question.granularity,
        "organization": question.slug,
    }
    pattern = f"{{{label_pattern(table.labels, known, table.own)}}} "
    every = len(places) == len(table.families)
    rows = [
        (pattern % tuple(map(escaped, own)), values if every else [values[n] for n in places])
        for own, values in unpack_texts(part.rows, table)
        if not checks or all(not own[place] or names.match(own[place]) for place, names in checks)
    ]
    return rows[: table.limit(project)]


def _written(rows: Sequence[Row], families: Sequence[Family]) -> Iterator[tuple[Family, bytes]]:
    """The sample lines of rows, as sample_line writes them; of a family without one nothing."""
    if not rows:
        return
    labels = [own for own, _ in rows]
    for family, values in zip(families, zip(*[values for _, values in rows], strict=True), strict=True):
        lines: Iterable[str] = map(add, labels, values)  # without a step of its own for each line
        if None in values:
            lines = [label + value for label, value in zip(labels, values, strict=True) if value is not None]
        text = f"\n{family.name}".join(lines)
        if text:
            yield family, f"{family.name}{text}\n".encode()
