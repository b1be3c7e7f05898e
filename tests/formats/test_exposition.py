"""Our sample lines against prometheus_client's own, byte for byte, in both formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.formats.exposition import EOF, encoded, header, number_text, sample_line
from exporter.insights.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

disable_created_metrics()  # as the exporter's own metrics do

NAMES = ("branch", "job_name", "project")
values = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.one_of(st.integers(-(2**63), 2**63), st.floats(), st.integers(0, 10_000_000))


class One(Collector):
    """A registry's only family."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def theirs(metric: Metric, *, openmetrics: bool) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(One(metric))
    return generate_openmetrics(registry) if openmetrics else generate_latest(registry)


@given(numbers)
def test_a_number_is_written_as_the_library_writes_it(value: float) -> None:
    assert number_text(value) == floatToGoString(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0.0"), (82, "82.0"), (999_999, "999999.0"), (1_000_000, "1e+06"), (16216608, "1.6216608e+07"), (-5, "-5.0")],
)
def test_whole_numbers_have_a_point_or_an_exponent(value: int, written: str) -> None:
    assert number_text(value) == written


@pytest.mark.parametrize("openmetrics", [False, True])
@given(rows=st.dictionaries(st.tuples(values, values, values), numbers, max_size=5), help_text=values)
def test_header_and_lines_together_are_what_the_library_encodes(
    openmetrics: bool, rows: Mapping[tuple[str, ...], float], help_text: str
) -> None:
    family = Family("", "circleci_insights_job_runs", help_text)
    metric = GaugeMetricFamily(family.name, help_text, labels=NAMES)
    for labels, value in rows.items():
        metric.add_metric(labels, value)
    lines = "".join(sample_line(family.name, NAMES, labels, value) for labels, value in rows.items())
    ours = header(family, openmetrics=openmetrics) + lines.encode() + (EOF if openmetrics else b"")
    assert ours == theirs(metric, openmetrics=openmetrics)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_counter_keeps_its_name_in_samples_and_the_format_decides_on_that_in_its_header(openmetrics: bool) -> None:
    family = Family("", "circleci_exporter_dropped_series_total", "Dropped.", kind="counter")
    metric = CounterMetricFamily(family.name, "Dropped.", labels=["reason"])
    metric.add_metric(["max_series"], 3)
    line = sample_line(family.name, ["reason"], ["max_series"], 3).encode()
    assert header(family, openmetrics=openmetrics) + line + (EOF if openmetrics else b"") == theirs(
        metric, openmetrics=openmetrics
    )


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_histogram_has_one_header(openmetrics: bool) -> None:
    family = Family("", "circleci_workflow_run_duration_seconds", "Duration.", kind="histogram")
    empty = HistogramMetricFamily(family.name, "Duration.")
    assert header(family, openmetrics=openmetrics) == theirs(empty, openmetrics=openmetrics).removesuffix(EOF)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_families_of_the_library_are_encoded_as_it_encodes_them(openmetrics: bool) -> None:
    registry = CollectorRegistry(auto_describe=False)
    Gauge("plain", "Says \\ and\nmore.", registry=registry).set(-1e9)
    Gauge("odd", "Odd.", ["le", "at"], registry=registry).labels("b\n", '"a"\\').set(float("nan"))
    counter = Counter("requests", "Requests.", ["code"], registry=registry)
    counter.labels("200").inc(16216608)
    counter.labels("error").inc()
    Histogram("seconds", "Seconds.", ["endpoint"], buckets=(0.5, 1), registry=registry).labels("/").observe(0.7)
    GCCollector(registry=registry)
    metrics = list(registry.collect())
    ours = encoded(metrics, openmetrics=openmetrics) + (EOF if openmetrics else b"")
    assert ours == b"".join(theirs(metric, openmetrics=openmetrics) for metric in metrics).replace(EOF, b"") + (
        EOF if openmetrics else b""
    )


def test_a_sample_without_labels_has_no_braces() -> None:
    assert sample_line("circleci_exporter_up", (), (), 1) == "circleci_exporter_up 1.0\n"
