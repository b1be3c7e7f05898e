"""A table's rows as sample lines: the parts of all its questions, each in the order of its labels."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.exposition import escaped, label_pattern
from exporter.knowledge.snapshots import unpack_texts
from exporter.publishing.sections import FamilyText, Section, of_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.config import Project
    from exporter.insights.collectors import Table
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part


class _Row(NamedTuple):
    """One label set: by what it is sorted, how it stands before its number, and its numbers as texts."""

    order: tuple[str, ...]
    labels: str
    values: Sequence[str | None]


def table_section(project: Project, table: Table, parts: Sequence[tuple[Question, Part]], room: int) -> Section:
    """The lines of a table. Where there is no room for all rows, the first by their labels are kept."""
    chosen = [place for place, family in enumerate(table.families) if project.metrics.match(family.name)]
    if not chosen:
        return of_texts({})
    found = [list(_rows(project, table, question, part, chosen)) for question, part in parts]
    samples = sum(_samples(row) for rows in found for row in rows)
    cut = 0
    if samples > room:
        kept = _first([row for rows in found for row in rows], room)
        found = [[row for row in rows if row.order in kept] for rows in found]
        left = sum(_samples(row) for rows in found for row in rows)
        samples, cut = left, samples - left
    texts = {}
    for index, place in enumerate(chosen):
        name = table.families[place].name
        text = "".join(
            [
                f"{name}{row.labels}{value}\n"  # what sample_line writes, without its call
                for rows in found
                for row in rows
                if (value := row.values[index]) is not None
            ]
        ).encode()
        if text:
            texts[name] = FamilyText(text, text)
    return of_texts(texts, samples, cut)


def _rows(project: Project, table: Table, question: Question, part: Part, chosen: Sequence[int]) -> Iterator[_Row]:
    """The rows of one part that the settings want, sorted by their labels."""
    labels = {
        "project": project.name,
        "workflow": question.workflow,
        "branch": question.branch,
        "window": question.window,
        "granularity": question.granularity,
        "organization": question.slug,
    }
    pattern = f"{{{label_pattern(table.labels, labels, table.own)}}} "
    every = len(chosen) == len(table.families)
    rows = []
    for own, texts in unpack_texts(part.rows, table):
        labels.update(zip(table.own, own, strict=True))
        if _selected(project, labels):
            values = texts if every else [texts[place] for place in chosen]
            order = tuple([labels[name] for name in table.labels])
            rows.append(_Row(order, pattern % tuple([escaped(value) for value in own]), values))
    rows = rows[: table.limit(project)]
    rows.sort(key=attrgetter("order"))
    yield from rows


def _selected(project: Project, labels: Mapping[str, str]) -> bool:
    """Whether the settings want a row, by the names of its workflow and job."""
    job, workflow = labels.get("job_name", ""), labels["workflow"]
    return (not workflow or project.workflows.match(workflow)) and (not job or project.jobs.match(job))


def _samples(row: _Row) -> int:
    return len(row.values) - row.values.count(None)


def _first(rows: list[_Row], room: int) -> set[tuple[str, ...]]:
    """The labels of the first rows that there is room for: whole rows, and after one that does not fit no other."""
    kept = set()
    for row in sorted(rows, key=attrgetter("order")):
        room -= _samples(row)
        if room < 0:
            break
        kept.add(row.order)
    return kept
