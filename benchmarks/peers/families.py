"""The families of a file in the text format, for servers that hold them as objects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Samples:
    """One family: the names of its labels, and values by the labels' values."""

    name: str
    names: tuple[str, ...] = ()
    values: list[tuple[tuple[str, ...], float]] = field(default_factory=list)


def read(file: Path) -> Iterator[Samples]:
    """Each name of samples as a family of its own."""
    found: dict[str, Samples] = {}
    with file.open() as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            series, _, value = line.rstrip("\n").rpartition(" ")
            name, _, labels = series.partition("{")
            pairs = PAIR.findall(labels)
            family = found.setdefault(name, Samples(name, tuple(key for key, _ in pairs)))
            family.values.append((tuple(text for _, text in pairs), float(value)))
    yield from found.values()
