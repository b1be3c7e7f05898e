"""What PromQL makes of counters that a real Prometheus scraped, while the exporter was killed: the truth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tests.campaigns.samples import labels
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.campaigns.samples import Labels, Samples
    from tests.running.prometheus import Answered, Prometheus

RANGE = "[1h]"
"""Longer than any test."""


def by_labels(found: list[Answered], *without: str) -> dict[Labels, Answered]:
    """Series by their labels, but for those that Prometheus adds and some more."""
    added = {"__name__", "job", *without}
    named = [(labels(**{k: v for k, v in each.labels.items() if k not in added}), each) for each in found]
    assert len(named) == len({of for of, _ in named}), "a series came twice"
    return dict(named)


def wait_for(prometheus: Prometheus, query: str, true: Callable[[list[Answered]], object]) -> None:
    """Ask until something is true of the answer."""
    wait_until(lambda: true(prometheus.ask(query)), interval=0.2, why=query)


def hold_increases(prometheus: Prometheus, family: str, truth: Samples, held: float, *without: str) -> None:
    """Wait until Prometheus has seen the end; then `increase` is the truth, of each series of a family and of no other.

    Each was seen at 0 first, unless Prometheus came too late, as on a busy machine: the exporter shows the 0 for `held`
    seconds. What Prometheus adds from the first and last samples to the ends of the range is less than a scrape's part.
    """
    expected = {of: number for (name, of), number in truth.items() if name == family and number}
    assert expected

    def newest(found: list[Answered]) -> bool:
        return {of: each.value for of, each in by_labels(found, *without).items() if each.value} == expected

    wait_for(prometheus, f"{family}{RANGE}", newest)
    assert prometheus.ask(f"resets({family}{RANGE}) > 0") == []
    raw = by_labels(prometheus.ask(f"{family}{RANGE}"), *without)
    scraped = sorted({at for each in raw.values() for at, _ in each.values})
    increases = by_labels(prometheus.ask(f"increase({family}{RANGE})"), *without)
    took = prometheus.ask(f"max(max_over_time(scrape_duration_seconds{RANGE}))")[0].value
    for of, number in expected.items():
        (began, first), (ended, last) = raw[of].values[0], raw[of].values[-1]
        if first:
            before = max((at for at in scraped if at < began), default=0.0)
            assert began + took - before > held, f"{family}{dict(of)} was not seen at 0"
        assert last == number
        if ended > began:
            part = 1.1 / (len(raw[of].values) - 1)
            assert (
                (number - first) * (1 - 1e-9)
                <= increases[of].value
                <= (number - first) * (1 + (2 if first else 1) * part)
            )


def longest_gap(found: list[Answered]) -> float:
    """For how many seconds one of the series had no sample."""
    return max(later[0] - earlier[0] for each in found for earlier, later in pairwise(each.values))
