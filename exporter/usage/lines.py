"""From counters, histograms and ratios to the sample lines of their families. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.counting.cells import Distribution, Key, Value
from exporter.insights.family import Family
from exporter.publishing.counted_lines import line
from exporter.publishing.sections import how_many_fit
from exporter.usage.cells import Amounts, merged
from exporter.usage.columns import MILLION
from exporter.usage.families import CREDITS, DAY, FAMILIES, QUEUE, RATIOS, UNITS
from exporter.usage.planning import start_of

PERCENT = 100
DIGITS = 12
"""Of a ratio: a percentage by a hundred, without the noise of floating point."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scrape has of one organization.

    Its counters and histograms; the newest day read, 0 while none is shown; the use of CPU and memory on it, in
    percent, by labels, for each of the four families; the bounds of its histograms.
    """

    organization: str
    cells: Mapping[Key, Amounts] = field(default_factory=dict)
    newest: int = 0
    use: Sequence[Mapping[tuple[str, ...], float]] = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """The sample lines of each family that has some, and how many samples each organization had no room for."""

    families: tuple[tuple[Family, bytes], ...]
    dropped: Mapping[str, int]


def sample_lines(shown: Iterable[Shown], bounds: tuple[float, ...], room: int) -> Lines:
    """Write what organizations show, at most `room` samples of each. A series that two of them have is their sum.

    The organization's own credits come first, then jobs in the order of their labels, then queues. Histograms with
    other bounds are left out: they are about to begin anew.
    """
    cells: dict[Key, Amounts] = {}
    ratios: dict[Key, float] = {}
    days: list[str] = []
    dropped: dict[str, int] = {}
    for each in shown:
        rows = list(_rows(each, bounds))
        sizes = [size for size, _ in rows]
        fitting = how_many_fit(sizes, room - 1)  # beside the day
        dropped[each.organization] = sum(sizes[fitting:])
        for _, row in rows[:fitting]:
            for key, value in row.items():
                if isinstance(value, tuple):
                    cells[key] = merged(cells[key], value) if key in cells else value
                else:
                    ratios.setdefault(key, value)
        if each.newest:
            days.append(_line(DAY, (each.organization,), start_of(each.newest)))
    written = [(family, _family(family, cells, ratios, bounds)) for family in FAMILIES if family is not DAY]
    written.append((DAY, "".join(days)))
    return Lines(tuple((family, lines.encode()) for family, lines in written if lines), dropped)


def _rows(shown: Shown, bounds: tuple[float, ...]) -> Iterator[tuple[int, dict[Key, Amounts | float]]]:
    """The samples that are kept or dropped together, in their order, and how many there may be of them.

    A job has room for its ratios also while they are not shown, or it would go as soon as they are.
    """
    own: dict[Key, Amounts | float] = {}
    jobs: defaultdict[tuple[str, ...], dict[Key, Amounts | float]] = defaultdict(dict)
    queues: list[tuple[Key, Amounts]] = []
    for key, amounts in shown.cells.items():
        if key.family == CREDITS.name:
            own[key] = amounts
        elif key.family == QUEUE.name:
            queues += [(key, amounts)] if shown.bounds == bounds else []
        else:
            job, project, resource_class, *_, workflow = key.labels
            jobs[project, workflow, job, resource_class][key] = amounts
    for family, used in zip(RATIOS, shown.use, strict=False):
        for labels, percent in used.items():
            job, project, resource_class, workflow = labels
            jobs[project, workflow, job, resource_class][Key(family.name, labels)] = round(percent / PERCENT, DIGITS)
    yield len(own), own
    for labels in sorted(jobs):
        counted = sum(isinstance(value, tuple) for value in jobs[labels].values())
        yield counted + len(RATIOS), jobs[labels]
    for key, amounts in sorted(queues):
        yield len(bounds) + 3, {key: amounts}


def _family(
    family: Family, counted: Mapping[Key, Amounts], ratios: Mapping[Key, float], bounds: tuple[float, ...]
) -> str:
    values: dict[tuple[str, ...], Value] = {
        key.labels: each for key, each in ratios.items() if key.family == family.name
    }
    values |= {key.labels: _value(family, each, bounds) for key, each in counted.items() if key.family == family.name}
    return "".join(_line(family, labels, values[labels]) for labels in sorted(values))


def _line(family: Family, labels: tuple[str, ...], value: Value) -> str:
    return line(family, dict(zip(family.labels, labels, strict=True)), value).text


def _value(family: Family, amounts: Amounts, bounds: tuple[float, ...]) -> Value:
    if family is QUEUE:
        *counts, total = amounts
        return Distribution(bounds, tuple(counts), total / MILLION)
    (amount,) = amounts
    unit = UNITS[family]
    return amount // unit if amount % unit == 0 else amount / unit
