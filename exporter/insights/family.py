"""One metric family: a row of the metric tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from exporter.insights.payloads import Column, Number, number

Kind = Literal["gauge", "counter", "histogram"]
Read = Callable[[object], Number | None]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family; `name` is that of its samples, a counter's with `_total`."""

    path: str
    name: str
    help: str
    kind: Kind = "gauge"
    read: Read = number
    column: Column = field(init=False, repr=False)
    """Where its number stands in a row of the payload."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", Column(self.path, self.read))


def gauges(prefix: str, *rows: tuple[str, str, str] | tuple[str, str, str, Read]) -> tuple[Family, ...]:
    """Gauges from rows: the path of the number, the name after the prefix, the help, and how a number is read."""
    return tuple(Family(path, prefix + name, text, "gauge", *read) for path, name, text, *read in rows)
