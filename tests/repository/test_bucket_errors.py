from __future__ import annotations

from itertools import product

import pytest

from exporter.config import parse
from scripts.bucket_errors import MEDIANS, QUANTILES, SPREADS, error, estimate

PROJECT = parse("projects: [gh/acme/web]").projects[0]
WITHIN = 0.12


@pytest.mark.parametrize(("median", "quantile"), [*product(MEDIANS, QUANTILES)])
def test_quantiles_of_usual_durations_are_within_12_percent_with_the_default_buckets(
    median: float, quantile: float
) -> None:
    assert len(PROJECT.runs.buckets) <= 16
    assert max(abs(error(PROJECT.runs.buckets, median, spread, quantile)) for spread in SPREADS) <= WITHIN


def test_buckets_that_double_are_not_enough() -> None:
    doubling = [30.0 * 2**power for power in range(10)]
    assert max(abs(error(doubling, *each)) for each in product(MEDIANS, SPREADS, QUANTILES)) > 2 * WITHIN


def test_a_quantile_lies_between_the_bounds_of_its_bucket_and_never_above_the_last() -> None:
    assert estimate([10, 20], [0.5, 1], 0.75) == 15
    assert estimate([10, 20], [0.5, 1], 0.25) == 5
    assert estimate([10, 20], [0.2, 0.6], 0.95) == 20


def test_wait_times_come_in_whole_seconds_so_their_buckets_begin_at_5() -> None:
    assert PROJECT.pipelines.wait_buckets[0] == 5
