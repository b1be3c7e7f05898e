"""A table's rows as sample lines: those of one part after those of another, each part in the order of its labels.

Only parts with new rows are rendered; the lines of the others are taken from what was published before.
"""

from __future__ import annotations

from array import array
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.exposition import escaped, label_pattern
from exporter.knowledge.snapshots import unpack_texts
from exporter.publishing.blocks import Splice
from exporter.publishing.sections import FamilyText, of_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.config import Project
    from exporter.insights.collector import Table
    from exporter.insights.family import Family
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part
    from exporter.publishing.sections import Section

    Parts = Sequence[tuple[Question, Part]]


class _Row(NamedTuple):
    """One label set: the values of its own labels, how all of them stand before a number, its numbers as texts."""

    own: tuple[str, ...]
    labels: str
    values: Sequence[str | None]


class _Lines(NamedTuple):
    """The samples of a part, and for each family its bytes: how many, and the lines or where they stood before."""

    samples: int
    sizes: Sequence[int]
    texts: Sequence[bytes | slice]


def table_section(project: Project, table: Table, parts: Parts, before: Section | None, room: int) -> Section:
    """The lines of a table. Where there is no room for all rows, the first by their labels are kept."""
    places = [place for place, family in enumerate(table.families) if project.metrics.match(family.name)]
    if not places:
        return of_texts({})
    families = [table.families[place] for place in places]
    known = _published(before, project, len(families))
    lines, spliced = [], False
    for question, part in parts:
        rows, found = known.get(question, (b"", None))
        if found is None or rows != part.rows:
            found = _written(_rows(project, table, question, part, places), families)
        else:
            spliced = True
        lines.append(found)
    samples, cut = sum([each.samples for each in lines]), 0
    if samples > room:
        lines, spliced = [_written(_first(project, table, parts, places, room), families)], False
        samples, cut = lines[0].samples, samples - lines[0].samples
    texts = {}
    for index, family in enumerate(families):
        if any(each.sizes[index] for each in lines):
            splice = Splice(tuple([each.texts[index] for each in lines]))
            text = splice if spliced else splice.within(b"")
            texts[family.name] = FamilyText(text, text)
    sizes = array("I")
    for each in () if cut else lines:
        sizes.extend((each.samples, *each.sizes))
    return of_texts(texts, samples, cut, sizes)


def _published(before: Section | None, project: Project, families: int) -> Mapping[object, tuple[object, _Lines]]:
    """The lines that stand in the section before, by question, with the rows that they were made from."""
    if before is None or not before.sizes or before.basis[0] != project:
        return {}
    found: dict[object, tuple[object, _Lines]] = {}
    starts = [0] * families
    for number, (question, rows) in enumerate(zip(before.basis[1::2], before.basis[2::2], strict=True)):
        samples, *sizes = before.sizes[number * (families + 1) : (number + 1) * (families + 1)]
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        found[question] = rows, _Lines(samples, sizes, tuple(map(slice, starts, ends)))
        starts = ends
    return found


def _rows(project: Project, table: Table, question: Question, part: Part, places: Sequence[int]) -> list[_Row]:
    """The rows of one part that the settings want, sorted by their labels, with the numbers of some families."""
    if question.workflow and not project.workflows.match(question.workflow):
        return []
    wanted = {"workflow": project.workflows, "job_name": project.jobs}
    checks = [(place, wanted[name]) for place, name in enumerate(table.own) if name in wanted]
    pattern = f"{{{label_pattern(table.labels, _labels(project, question), table.own)}}} "
    every = len(places) == len(table.families)
    rows = [
        _Row(own, pattern % tuple([escaped(value) for value in own]), values if every else [values[n] for n in places])
        for own, values in unpack_texts(part.rows, table)
        if all(not own[place] or names.match(own[place]) for place, names in checks)
    ]
    return sorted(rows[: table.limit(project)], key=itemgetter(0))


def _labels(project: Project, question: Question) -> dict[str, str]:
    """The labels that all rows of a part have."""
    return {
        "project": project.name,
        "workflow": question.workflow,
        "branch": question.branch,
        "window": question.window,
        "granularity": question.granularity,
        "organization": question.slug,
    }


def _written(rows: Sequence[_Row], families: Sequence[Family]) -> _Lines:
    """The sample lines of rows, as sample_line writes them."""
    texts = [
        "".join(
            [f"{family.name}{row.labels}{value}\n" for row in rows if (value := row.values[index]) is not None]
        ).encode()
        for index, family in enumerate(families)
    ]
    samples = sum([len(row.values) - row.values.count(None) for row in rows])
    return _Lines(samples, tuple(map(len, texts)), texts)


def _first(project: Project, table: Table, parts: Parts, places: Sequence[int], room: int) -> list[_Row]:
    """The rows that there is room for, of all parts in the order of their labels; after one that does not fit, none."""
    found: list[tuple[tuple[str, ...], _Row]] = []
    for question, part in parts:
        labels = _labels(project, question)
        for row in _rows(project, table, question, part, places):
            labels.update(zip(table.own, row.own, strict=True))
            found.append((tuple([labels[name] for name in table.labels]), row))
    kept = []
    for _, row in sorted(found, key=itemgetter(0)):
        room -= len(row.values) - row.values.count(None)
        if room < 0:
            break
        kept.append(row)
    return kept
