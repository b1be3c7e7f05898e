"""What the figures of the page mean: trends, bars, grades and a verdict, in words and colors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from exporter.web.page import wording
from exporter.web.page.overview import ApiView, Health

GOOD_RATIO = 0.9
FAIR_RATIO = 0.7
# A change that the figures beside it would not show is none.
_SMALLEST_POINTS = 0.0005
_SMALLEST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Trend:
    """A change against the value before: an arrow, its size, whether it is for the better, and all of it in words."""

    arrow: str
    size: str
    better: bool
    words: str


def bar(ratio: float | None) -> str | None:
    """Write the length of a ratio's bar, in percent of the width; None where there is none to draw."""
    if ratio is None or not math.isfinite(ratio):
        return None
    return f"{min(max(ratio, 0.0), 1.0) * 100:.1f}"


def grade(ratio: float) -> str:
    """Name the color of a success ratio."""
    return "good" if ratio >= GOOD_RATIO else "fair" if ratio >= FAIR_RATIO else "poor"


def ratio_trend(new: float | None, old: float | None) -> Trend | None:
    """Say how a success ratio changed, where that can be seen."""
    if new is None or old is None or not math.isfinite(new - old) or abs(new - old) < _SMALLEST_POINTS:
        return None
    up = new > old
    points = f"{abs(new - old) * 100:.1f}".removesuffix(".0")
    words = f"{'up' if up else 'down'} {points} points from {wording.percent(old)}"
    return Trend("▲" if up else "▼", points, up, words)


def duration_trend(new: float | None, old: float | None) -> Trend | None:
    """Say how a span of seconds changed, where that can be seen."""
    if new is None or old is None or not math.isfinite(new - old) or old <= 0 or abs(new / old - 1) < _SMALLEST_SHARE:
        return None
    slower = new > old
    share = f"{min(abs(new / old - 1) * 100, 999):.0f}%"
    words = f"{share} {'slower' if slower else 'faster'} than {wording.duration(old)} before"
    return Trend("▲" if slower else "▼", share, not slower, words)


def verdict(api: ApiView) -> tuple[str, Health]:
    """Say how CircleCI's API stands, and the color of that."""
    if api.reachable is False:
        return "not reachable", Health.FAILING
    if api.token_accepted is False:
        return "token refused", Health.FAILING
    if api.throttled:
        return "rate limited, the last answer was 429", Health.STALE
    if api.reachable is None:
        return "no request yet", Health.PENDING
    if api.token_accepted is None:
        return "reachable, token not checked yet", Health.PENDING
    return "reachable, token accepted", Health.OK
