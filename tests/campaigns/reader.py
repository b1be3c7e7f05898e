"""What a series of scrapes may never show: a counter that falls, is gone, or is born above 0."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaigns.samples import Samples


@dataclass
class Reader:
    """Sees one scrape after another; `troubles` are what it should not have seen.

    A series is shown at 0 for `held` seconds before it rises. So it was born above 0 only if less time passed from the
    begin of the scrape before, which did not show it, to the end of the one that does. Whoever scrapes later, as on a
    busy machine, may miss the 0. In one thread with the exporter nothing is missed.
    """

    held: float = math.inf
    troubles: list[str] = field(default_factory=list)
    heights: Samples = field(default_factory=dict)
    scrapes: int = 0
    _began: float | None = None

    def see(self, counters: Samples, began: float = 0.0, ended: float = 0.0, *, away: bool = False) -> None:
        """Compare with what was seen before; after hours `away` series may be gone for a while."""
        for each, value in counters.items():
            before = self.heights.get(each)
            if before is not None and value < before:
                self.troubles.append(f"{named(each)} fell from {before} to {value}")
            elif before is None and value and self._began is not None and ended - self._began < self.held:
                self.troubles.append(f"{named(each)} was born at {value}")
        if not away:
            self.troubles += [f"{named(each)} was gone" for each in self.heights.keys() - counters.keys()]
        self.heights, self._began = {**self.heights, **counters} if away else dict(counters), began
        self.scrapes += 1

    def forget(self) -> None:
        """All begins anew, as where the settings change or the state is lost."""
        self.heights, self._began = {}, None


def named(series: tuple[str, tuple[tuple[str, str], ...]]) -> str:
    """A series for a person to read."""
    return f"{series[0]}{dict(series[1])}"
