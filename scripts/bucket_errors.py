"""By how much histogram_quantile() is off for log-normal durations, by the bounds of the buckets. Pure."""

from __future__ import annotations

from math import exp, log
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIANS = (60, 300, 900, 2700)
"""Usual durations of workflows, in seconds."""
SPREADS = tuple(step / 20 for step in range(4, 21))
"""Standard deviations of the logarithm: from runs that take nearly the same time to runs of all kinds."""
QUANTILES = (0.5, 0.9, 0.95)
_NORMAL = NormalDist()


def error(bounds: Sequence[float], median: float, spread: float, quantile: float) -> float:
    """The relative error of a quantile of endlessly many durations."""
    true = median * exp(spread * _NORMAL.inv_cdf(quantile))
    return estimate(bounds, [_NORMAL.cdf(log(bound / median) / spread) for bound in bounds], quantile) / true - 1


def estimate(bounds: Sequence[float], shares: Sequence[float], quantile: float) -> float:
    """What histogram_quantile() answers, where each bound has this share of the durations at or below it."""
    below, share_below = 0.0, 0.0
    for bound, share in zip(bounds, shares, strict=True):
        if share >= quantile:
            return below + (bound - below) * (quantile - share_below) / (share - share_below)
        below, share_below = bound, share
    return below
