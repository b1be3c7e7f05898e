"""The two text formats of Prometheus: sample lines, family headers, numbers.

The lines of samples without timestamp and exemplar are the same in text 0.0.4 and in OpenMetrics 1.0.0; only
the headers and the closing `# EOF` differ. The lines come from here, byte for byte what prometheus_client
writes (its own encoder is ten times slower); the headers come from prometheus_client.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

EOF = b"# EOF\n"
PLAIN_DIGITS = 6
"""A number with more of them before its point is written with an exponent."""
PLAIN = 10**PLAIN_DIGITS
NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


class Described(Protocol):
    """What a family's header says."""

    @property
    def name(self) -> str:
        """The name of its samples: a counter's ends in `_total`."""

    @property
    def help(self) -> str: ...

    @property
    def kind(self) -> str:
        """Its type: gauge, counter or histogram."""


def number_text(value: float) -> str:
    """A number as Go writes it: an exponent from 1e6 on, a point always."""
    if type(value) is int and 0 <= value < PLAIN:
        return f"{value}.0"
    written = repr(float(value))
    point = written.find(".")
    if value > 0 and point > PLAIN_DIGITS:
        mantissa = f"{written[0]}.{written[1:point]}{written[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02d}"
    return NOT_FINITE.get(written, written)


def number_texts(values: Iterable[float | None]) -> list[str]:
    """The same of several, with `null` for None."""
    return [
        "null"
        if value is None
        else f"{value}.0"  # what most are, written without a call
        if type(value) is int and 0 <= value < PLAIN
        else repr(value)
        if type(value) is float and -PLAIN < value < PLAIN
        else number_text(value)
        for value in values
    ]


def label_text(names: Sequence[str], values: Iterable[str]) -> str:
    """Labels as they stand in the braces; `names` in alphabetical order."""
    return ",".join([f'{name}="{escaped(value)}"' for name, value in zip(names, values, strict=True)])


def label_pattern(names: Sequence[str], known: Mapping[str, str], own: Container[str]) -> str:
    """The same with a `%s` for the escaped value of each label in `own`, for rows that have the others in common."""
    return ",".join(
        f'{name}="%s"' if name in own else f'{name}="{escaped(known[name]).replace("%", "%%")}"' for name in names
    )


@lru_cache(maxsize=4096)
def escaped(value: str) -> str:
    """A label's value as it stands in its quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def sample_line(name: str, names: Sequence[str], values: Sequence[str], value: float) -> str:
    """One sample, with the newline that ends it; `names` of its labels are in alphabetical order, `values` theirs."""
    braces = f"{{{label_text(names, values)}}}" if names else ""
    return f"{name}{braces} {number_text(value)}\n"


def encoded(metrics: Iterable[Metric], *, openmetrics: bool) -> bytes:
    """Families of the library as the library writes them, several times faster; without OpenMetrics' closing line.

    Not for what has timestamps or exemplars.
    """
    pieces = []
    for metric in metrics:
        pieces.append(_header(metric.name, metric.documentation, metric.type, metric.unit, openmetrics=openmetrics))
        for name, labels, value, *_ in metric.samples:
            names = sorted(labels)
            pieces.append(sample_line(name, names, [labels[each] for each in names], value))
    return "".join(pieces).encode()


def header(family: Described, *, openmetrics: bool) -> bytes:
    """The `# HELP` and `# TYPE` lines of a family in one of the formats."""
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    return _header(name, family.help, family.kind, "", openmetrics=openmetrics).encode()


class _Single(Collector):
    """A registry's only family."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


@cache
def _header(name: str, documentation: str, kind: str, unit: str, *, openmetrics: bool) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Single(Metric(name, documentation, kind, unit)))
    written = generate_openmetrics(registry).removesuffix(EOF) if openmetrics else generate_latest(registry)
    return str(written, "utf-8")
