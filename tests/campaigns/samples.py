"""Samples of CircleCI's families by family and sorted labels, as they are shown and as they are true."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]

_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def labels(**named: str) -> Labels:
    """Labels as a key has them."""
    return tuple(sorted(named.items()))


def bound_text(bound: float) -> str:
    """A bucket's label `le`."""
    return "+Inf" if bound == float("inf") else str(float(bound))


@cache
def series(text: str) -> tuple[str, Labels]:
    """A family and its labels, as they stand in a text. Each series is in every scrape, and is taken apart once."""
    name, _, inside = text.partition("{")
    return name, tuple(sorted(_LABEL.findall(inside)))


def taken_apart(values: Mapping[str, float]) -> Samples:
    """The samples of a scrape, but for the exporter's own and those of Insights."""
    return {
        series(name): value
        for name, value in values.items()
        if name.startswith("circleci_") and not name.startswith(("circleci_exporter", "circleci_insights"))
    }


def read(text: str) -> Samples:
    """The samples of a text of format 0.0.4."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("circleci_"))
    return taken_apart({name: float(value) for name, _, value in lines})


def of(samples: Samples, families: tuple[str, ...]) -> Samples:
    """The samples whose families begin like one of these."""
    return {each: value for each, value in samples.items() if each[0].startswith(families)}


def risen(samples: Samples) -> Samples:
    """The samples that are not at 0."""
    return {each: value for each, value in samples.items() if value}


def less(samples: Samples, before: Samples) -> Samples:
    """What has risen since, and by how much."""
    return risen({each: round(value - before.get(each, 0), 6) for each, value in samples.items()})


def differences(shown: Samples, true: Samples) -> list[str]:
    """What is not the same, for a person to read. A series that is not there is as good as one at 0."""
    return [
        f"{family}{dict(of)}: shown {shown.get((family, of))}, true {true.get((family, of))}"
        for family, of in sorted(shown.keys() | true.keys())
        if shown.get((family, of), 0) != true.get((family, of), 0)
    ]
