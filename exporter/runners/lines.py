"""From rows to the sample lines of the families of runners. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from exporter.insights.family import Family
from exporter.insights.payloads import Row
from exporter.insights.questions import Question
from exporter.publishing.sections import of_rows, sample
from exporter.runners import questions
from exporter.runners.answers import CONNECTED, LOST
from exporter.runners.families import FAMILIES, RUNNERS, RUNNING, UNCLAIMED

NO_RUNNER = ""
"""Label `version` of a class without runners."""


def sample_lines(
    classes: Sequence[str], namespaces: Collection[str], rows: Mapping[Question, Sequence[Row]], room: int
) -> tuple[list[tuple[Family, bytes]], int]:
    """Write the rows of these classes, at most `room` samples for each namespace, and how many had no room.

    The classes are in order. A question without an answer has no lines. A class of which an answer shows no runner has
    both states at 0.
    """
    written = {family.name: b"" for family in FAMILIES}
    dropped = 0
    listed = {question: _by_class(rows[question]) for question in rows if question.endpoint == questions.RUNNERS_PATH}
    for _, each in groupby(classes, lambda name: name.partition("/")[0]):
        samples = [found for name in each for found in _samples(name, namespaces, rows, listed)]
        lines = [[sample(family.name, family.labels, labels, value)] for family, labels, value in samples]
        texts, _, cut = of_rows(lines, room)
        dropped += cut
        for name, text in texts.items():
            written[name] += text.text
    return [(family, written[family.name]) for family in FAMILIES if written[family.name]], dropped


def _samples(
    resource_class: str,
    namespaces: Collection[str],
    rows: Mapping[Question, Sequence[Row]],
    listed: Mapping[Question, Mapping[str, Sequence[Row]]],
) -> Iterator[tuple[Family, tuple[str, ...], float]]:
    counts = ((UNCLAIMED, questions.unclaimed(resource_class)), (RUNNING, questions.running(resource_class)))
    for family, question in counts:
        yield from _numbers(family, rows.get(question, ()))
    found = listed.get(questions.runners(resource_class, namespaces))
    if found is not None:
        nobody = [((resource_class, state, NO_RUNNER), (0,)) for state in (CONNECTED, LOST)]
        yield from _numbers(RUNNERS, found.get(resource_class, nobody))


def _numbers(family: Family, rows: Sequence[Row]) -> Iterator[tuple[Family, tuple[str, ...], float]]:
    for labels, (value,) in rows:
        if value is not None:
            yield family, labels, value


def _by_class(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0][0]].append(row)
    return dict(found)
