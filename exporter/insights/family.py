"""One metric family: a row of the metric tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from exporter.insights.payloads import Column, Number, number

Kind = Literal["gauge", "counter", "histogram"]
Read = Callable[[object], Number | None]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family; `name` is that of its samples, a counter's with `_total`.

    What is counted has its `labels` here, in alphabetical order, a histogram the configuration key of its `buckets`.
    """

    path: str
    name: str
    help: str
    kind: Kind = "gauge"
    read: Read = number
    labels: tuple[str, ...] = ()
    buckets: str = ""
    column: Column = field(init=False, repr=False)
    """Where its number stands in a row of the payload."""
    own: tuple[str, ...] = field(init=False, repr=False)
    """The labels that tell its cells of one project apart."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", Column(self.path, self.read))
        object.__setattr__(self, "own", tuple(name for name in self.labels if name != "project"))


def gauges(
    prefix: str, *rows: tuple[str, str, str] | tuple[str, str, str, Read], labels: tuple[str, ...] = ()
) -> tuple[Family, ...]:
    """Gauges from rows: the path of the number, the name after the prefix, the help, and how a number is read."""
    found = (Family(path, prefix + name, text, "gauge", *read) for path, name, text, *read in rows)  # type: ignore[arg-type]
    return tuple(replace(family, labels=labels) for family in found)
