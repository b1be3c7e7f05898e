"""From counters, histograms and ratios to the sample lines of their families. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.counting.cells import Cell, Distribution, Key, Value, total
from exporter.counting.room import samples
from exporter.insights.family import Family
from exporter.publishing.counted_lines import line
from exporter.publishing.sections import how_many_fit
from exporter.usage.comparing import RESULTS, Reconciled
from exporter.usage.families import CREDITS, DAY, FAMILIES, QUEUE, RATIOS, RECONCILED, RECONCILED_DAY
from exporter.usage.planning import start_of

PERCENT = 100
DIGITS = 12
"""Of a ratio: a percentage by a hundred, without the noise of floating point."""
_JOBS, _QUEUES = "jobs", "queues"
_RATIOS = {family.name for family in RATIOS}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scrape has of one organization.

    Its counters and histograms; the newest day read, 0 while none is shown; the use of CPU and memory on it, in
    percent, by labels, for each of the four families; what came of the newest day that was compared.
    """

    organization: str
    cells: Mapping[Key, Cell] = field(default_factory=dict)
    newest: int = 0
    use: Sequence[Mapping[tuple[str, ...], float]] = ()
    reconciled: Reconciled = field(default_factory=Reconciled)


def sample_lines(
    shown: Iterable[Shown], bounds: tuple[float, ...], room: int
) -> tuple[list[tuple[Family, bytes]], dict[str, int]]:
    """Write what organizations show, at most `room` samples of each, and how many each of them had no room for.

    A series that two of them have is their sum. The organization's own credits come first, then jobs in the order of
    their labels, then queues. Histograms with other bounds are left out: they are about to begin anew.
    """
    values: dict[str, dict[tuple[str, ...], Value]] = {family.name: {} for family in FAMILIES}
    dropped: dict[str, int] = {}
    for each in shown:
        rows, sizes = _rows(each, bounds)
        compared = len(RESULTS) * len(each.reconciled.projects) + bool(each.reconciled.day)
        fitting = how_many_fit(sizes, room - 1 - compared)  # beside the day
        dropped[each.organization] = sum(sizes[fitting:])
        for row in rows[:fitting]:
            for (family, labels), value in row.items():
                known = values[family]
                if labels not in known:
                    known[labels] = value
                elif family not in _RATIOS:
                    known[labels] = total(known[labels], value)
        if each.newest:
            values[DAY.name][each.organization,] = start_of(each.newest)
        if each.reconciled.day:
            values[RECONCILED_DAY.name][each.organization,] = start_of(each.reconciled.day)
        for found in each.reconciled.projects:
            for result, count in zip(RESULTS, (found.both, found.export_only, found.here_only), strict=True):
                values[RECONCILED.name][found.project, result] = count
    return [(family, _family(family, values[family.name])) for family in FAMILIES if values[family.name]], dropped


def _rows(shown: Shown, bounds: tuple[float, ...]) -> tuple[list[dict[Key, Value]], list[int]]:
    """The samples that are kept or dropped together, in their order, and how many there may be of them.

    A job has room for its ratios also while they are not shown, or it would go as soon as they are.
    """
    rows: defaultdict[tuple[str, ...], dict[Key, Value]] = defaultdict(dict)
    for key, cell in shown.cells.items():
        if not isinstance(cell.value, Distribution) or cell.value.bounds == bounds:
            rows[_place(key)][key] = cell.value
    order = sorted(rows)
    sizes = [sum(map(samples, rows[place].values())) + len(RATIOS) * (place[0] == _JOBS) for place in order]
    for family, used in zip(RATIOS, shown.use, strict=False):
        for labels, percent in used.items():
            key = Key(family.name, labels)
            rows[_place(key)][key] = round(percent / PERCENT, DIGITS)
    return [rows[place] for place in order], sizes


def _place(key: Key) -> tuple[str, ...]:
    """Where the row of a series stands among the others."""
    if key.family == CREDITS.name:
        return ("",)
    if key.family == QUEUE.name:
        return (_QUEUES, *key.labels)
    job, project, resource_class, *_, workflow = key.labels
    return (_JOBS, project, workflow, job, resource_class)


def _family(family: Family, values: Mapping[tuple[str, ...], Value]) -> bytes:
    rows = (line(family, dict(zip(family.labels, labels, strict=True)), values[labels]) for labels in sorted(values))
    return "".join(each.text for each in rows).encode()
