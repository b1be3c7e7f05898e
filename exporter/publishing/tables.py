"""A table's rows as sample lines: those of one part after those of another, each part in the order of its labels.

Only parts with new rows are rendered; the lines of the others are taken from what was published before.
"""

from __future__ import annotations

from array import array
from operator import add, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.exposition import escaped, label_pattern
from exporter.knowledge.packing import unpack_texts
from exporter.publishing.blocks import Splice
from exporter.publishing.sections import FamilyText, Rendered, names, of_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    """The lines of a part by family, and its sizes as a section has them."""

    texts: Sequence[bytes]
    sizes: array[int]


def table_section(project: Project, table: Table, parts: Parts, before: Section | None, room: int) -> Rendered:
    """The lines of a table. Where there is no room for all rows, the first by their labels are kept."""
    every, wanted = project.metrics.all, project.metrics.match
    places = [place for place, family in enumerate(table.families) if every or wanted(family.name)]
    if not places:
        return of_texts({})
    families = [table.families[place] for place in places]

    def written(question: Question, part: Part) -> _Lines:
        return _written(_rows(project, table, question, part, places), families)

    changed = _changed(project, parts, before)
    if before is not None and 0 < len(changed) < len(parts):
        spliced = _spliced(before, families, changed, [written(*parts[number]) for number in changed])
        if spliced.series <= room:
            return spliced
    lines, cut = [written(question, part) for question, part in parts], 0
    samples = sum([sizes[0] for _, sizes in lines])
    if samples > room:
        lines, needed = [_written(_first(project, table, parts, places, room), families)], samples
        samples = lines[0].sizes[0]
        cut = needed - samples
    joined = [b"".join(texts) for texts in zip(*[texts for texts, _ in lines], strict=True)]
    texts = {family.name: FamilyText(text, text) for family, text in zip(families, joined, strict=bool(lines)) if text}
    sizes = array("I")
    for _, own in () if cut else lines:
        sizes += own
    return of_texts(texts, samples, cut, sizes)


def _changed(project: Project, parts: Parts, before: Section | None) -> Sequence[int]:
    """The numbers of the parts whose rows are not those of before; of none where they cannot be told apart."""
    if before is None or not before.sizes or before.basis[0] != project:
        return ()
    questions, rows = before.basis[1::2], before.basis[2::2]
    if questions != tuple([question for question, _ in parts]):
        return ()
    return [number for number, (_, part) in enumerate(parts) if rows[number] != part.rows]


def _spliced(before: Section, families: Sequence[Family], changed: Sequence[int], lines: Sequence[_Lines]) -> Rendered:
    """The table with other lines of some parts, between those of the others."""
    stride, sizes = 1 + len(families), before.sizes[:]
    for number, (_, own) in zip(changed, lines, strict=True):
        sizes[number * stride : (number + 1) * stride] = own
    texts, shown = {}, []
    for place, (family, new) in enumerate(zip(families, zip(*[texts for texts, _ in lines], strict=True), strict=True)):
        known = before.sizes[1 + place :: stride]
        if any(new) or any(sizes[1 + place :: stride]):
            shown.append(family.name)
        elif not any(known):
            continue
        text = Splice(known, changed, new)
        texts[family.name] = FamilyText(text, text)
    return Rendered(sum(sizes[::stride]), 0, names(frozenset(shown)), texts, sizes)


def _rows(project: Project, table: Table, question: Question, part: Part, places: Sequence[int]) -> list[_Row]:
    """The rows of one part that the settings want, sorted by their labels, with the numbers of some families."""
    if question.workflow and not project.workflows.match(question.workflow):
        return []
    wanted = {"workflow": project.workflows, "job_name": project.jobs}
    checks = [(place, wanted[name]) for place, name in enumerate(table.own) if name in wanted and not wanted[name].all]
    pattern = f"{{{label_pattern(table.labels, _labels(project, question), table.own)}}} "
    every = len(places) == len(table.families)
    rows = [
        _Row(own, pattern % tuple(map(escaped, own)), values if every else [values[n] for n in places])
        for own, values in unpack_texts(part.rows, table)
        if not checks or all(not own[place] or names.match(own[place]) for place, names in checks)
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
    if not rows:
        return _Lines([b""] * len(families), array("I", bytes(4 * (1 + len(families)))))
    labels, columns = [row.labels for row in rows], zip(*[row.values for row in rows], strict=True)
    texts, missing = [], 0
    for family, values in zip(families, columns, strict=True):
        lines: Iterable[str]
        if None in values:
            missing += values.count(None)
            lines = [label + value for label, value in zip(labels, values, strict=True) if value is not None]
        else:
            lines = map(add, labels, values)  # without a step of its own for each line
        text = f"\n{family.name}".join(lines)
        texts.append(f"{family.name}{text}\n".encode() if text else b"")
    return _Lines(texts, array("I", (len(rows) * len(families) - missing, *map(len, texts))))


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
