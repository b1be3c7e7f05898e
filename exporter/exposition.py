"""The two text formats of Prometheus: sample lines, family headers, numbers.

The sample lines of untimestamped samples are the same in text 0.0.4 and in OpenMetrics 1.0.0; only the
headers and the closing `# EOF` differ. The lines come from here, byte for byte what prometheus_client
writes (its own encoder is ten times slower); the headers come from prometheus_client.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from exporter.families import Family

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EOF = b"# EOF\n"
PLAIN_DIGITS = 6
"""A number with more of them before its point is written with an exponent."""
NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def number_text(value: float) -> str:
    """A number as Go writes it: an exponent from 1e6 on, a point always."""
    if type(value) is int and 0 <= value < 10**PLAIN_DIGITS:
        return f"{value}.0"
    written = repr(float(value))
    point = written.find(".")
    if value > 0 and point > PLAIN_DIGITS:
        mantissa = f"{written[0]}.{written[1:point]}{written[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02d}"
    return NOT_FINITE.get(written, written)


def label_text(names: Sequence[str], values: Iterable[str]) -> str:
    """Labels as they stand in the braces; `names` in alphabetical order."""
    return ",".join([f'{name}="{escaped(value)}"' for name, value in zip(names, values, strict=True)])


def label_pattern(names: Sequence[str], known: Mapping[str, str], own: Container[str]) -> str:
    """The same with a `%s` for the escaped value of each label in `own`, for rows that have the others in common."""
    return ",".join(
        f'{name}="%s"' if name in own else f'{name}="{escaped(known[name]).replace("%", "%%")}"' for name in names
    )


def escaped(value: str) -> str:
    """A label's value as it stands in its quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def sample_line(name: str, labels: str, value: float) -> str:
    """One sample, with the newline that ends it."""
    return f"{name}{{{labels}}} {number_text(value)}\n" if labels else f"{name} {number_text(value)}\n"


class _Headers(Collector):
    """A family without a sample: it encodes to exactly its header."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def collect(self) -> Iterator[Metric]:
        kind = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
        yield kind[self.family.kind](self.family.name, self.family.help)


@cache
def header(family: Family, *, openmetrics: bool) -> bytes:
    """The `# HELP` and `# TYPE` lines of a family in one of the formats."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Headers(family))
    return generate_openmetrics(registry).removesuffix(EOF) if openmetrics else generate_latest(registry)
