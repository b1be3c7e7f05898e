"""A histogram's lines against prometheus_client's own, byte for byte, in both formats."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as LibraryExemplar
from prometheus_client.utils import floatToGoString

from exporter.formats.exposition import EOF, header
from exporter.formats.histogram import Exemplar, Histogram, Lines, histogram_lines
from exporter.insights.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILY = Family("", "circleci_job_run_duration_seconds", "Duration.", kind="histogram")
NAMES = ("branch", "job_name", "project", "workflow")
VALUES = ("main", "lint", "gh/acme/web", "build")
WORKFLOW = "5034460f-c7c4-4c43-9457-de07e2029e7b"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**53)
numbers = counts | st.floats(0, 2**53)
exemplars = st.none() | st.builds(
    Exemplar, st.tuples(st.tuples(st.just("workflow_id"), st.just(WORKFLOW) | texts)), numbers, numbers
)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Any bounds, and an exemplar or none a bucket."""
    bounds = tuple(sorted(draw(st.sets(numbers, max_size=6))))
    buckets = len(bounds) + 1
    return Histogram(
        bounds,
        draw(st.lists(counts, min_size=buckets, max_size=buckets)),
        draw(numbers),
        draw(st.lists(exemplars, min_size=buckets, max_size=buckets)),
    )


class One(Collector):
    """A registry's only family."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def theirs(labels: dict[str, str], histogram: Histogram, *, openmetrics: bool) -> bytes:
    """The same histogram as the library writes it. It raises on exemplars in text 0.0.4, so it gets none there."""
    metric = HistogramMetricFamily(FAMILY.name, FAMILY.help, labels=list(labels))
    cumulative = list(accumulate(histogram.counts))
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    for bound, count, exemplar in zip(bounds, cumulative, histogram.exemplars, strict=True):
        behind = exemplar and LibraryExemplar(dict(exemplar.labels), exemplar.value, exemplar.timestamp)
        metric.add_sample(
            f"{FAMILY.name}_bucket", labels | {"le": bound}, count, exemplar=behind if openmetrics else None
        )
    metric.add_sample(f"{FAMILY.name}_count", labels, cumulative[-1])
    metric.add_sample(f"{FAMILY.name}_sum", labels, histogram.total)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(One(metric))
    return generate_openmetrics(registry).removesuffix(EOF) if openmetrics else generate_latest(registry)


@pytest.mark.parametrize("names", [NAMES, ("branch",), ("project",), ()])
@given(values=st.lists(texts, min_size=4, max_size=4), histogram=histograms())
def test_both_formats_are_those_of_prometheus_client_byte_for_byte(
    names: tuple[str, ...], values: list[str], histogram: Histogram
) -> None:
    values = values[: len(names)]
    lines = histogram_lines(FAMILY.name, names, values, histogram)
    labels = dict(zip(names, values, strict=True))
    for openmetrics, ours in ((False, lines.text), (True, lines.openmetrics)):
        expected = theirs(labels, histogram, openmetrics=openmetrics)
        assert header(FAMILY, openmetrics=openmetrics) + ours.encode() == expected
    assert lines.samples == lines.text.count("_bucket{") + 2 == len(histogram.bounds) + 3
    assert (lines.openmetrics is lines.text) is not any(histogram.exemplars)


def written(*marked: Exemplar | None) -> Lines:
    return histogram_lines(FAMILY.name, NAMES, VALUES, Histogram((30.0, 60.0), (1, 0, 2), 98.5, marked))


def test_an_exemplar_stands_behind_its_bucket_in_openmetrics_alone() -> None:
    lines = written(Exemplar((("workflow_id", WORKFLOW),), 12.25, 1790000000.125), None, None)
    assert lines.text == written().text
    assert lines.openmetrics.splitlines()[0] == (
        'circleci_job_run_duration_seconds_bucket{branch="main",job_name="lint",le="30.0",project="gh/acme/web",'
        f'workflow="build"}} 1.0 # {{workflow_id="{WORKFLOW}"}} 12.25 1790000000.125'
    )
    assert lines.openmetrics.splitlines()[1:] == lines.text.splitlines()[1:]


def test_the_library_reads_the_exemplars_back() -> None:
    marked = Exemplar((("workflow_id", WORKFLOW),), 12.25, 1790000000.125)
    body = header(FAMILY, openmetrics=True).decode() + written(marked, None, None).openmetrics + EOF.decode()
    (family,) = text_string_to_metric_families(body)
    (found,) = [sample.exemplar for sample in family.samples if sample.exemplar]
    assert (found.labels, found.value, float(found.timestamp)) == ({"workflow_id": WORKFLOW}, 12.25, 1790000000.125)


def test_an_exemplar_beyond_the_limit_of_openmetrics_is_refused() -> None:
    longest = "x" * (128 - len("workflow_id"))
    assert longest in written(None, None, Exemplar((("workflow_id", longest),), 1, 1)).openmetrics
    with pytest.raises(ValueError, match="128 characters"):
        written(None, None, Exemplar((("workflow_id", f"{longest}x"),), 1, 1))


@pytest.mark.parametrize("counts", [(1, 2), (1, 2, 3, 4)])
def test_counts_and_bounds_have_to_fit_together(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        histogram_lines(FAMILY.name, NAMES, VALUES, Histogram((30.0, 60.0), counts, 1.0))
