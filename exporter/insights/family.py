"""One metric family: a row of the metric tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from exporter.insights.payloads import Column, Number, number

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family; `name` is that of its samples, a counter's with `_total`."""

    path: str
    name: str
    help: str
    kind: Kind = "gauge"
    read: Callable[[object], Number | None] = number
    column: Column = field(init=False, repr=False)
    """Where its number stands in a row of the payload."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", Column(self.path, self.read))
