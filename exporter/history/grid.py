"""The moments for which the past has samples, and how they are split into files. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil, floor

DAY = 86_400
DAYS_A_FILE = 30


@dataclass(frozen=True, slots=True)
class Span:
    """The steps of one file, from `first` to before `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps are numbered: step n is the moment n * `step`, in Unix seconds. Both `first` and `last` have samples."""

    step: int
    first: int
    last: int

    @classmethod
    def over(cls, start: float, now: float, step: int) -> Grid:
        """The steps of the time from `start` to `now`, none later; one before, for series that rise at once."""
        last = floor(now / step)
        return cls(step, min(ceil(start / step) - 1, last - 1), last)

    def until(self, moment: float) -> Grid:
        """The steps up to a moment: two at least."""
        return replace(self, last=max(min(self.last, floor(moment / self.step)), self.first + 1))

    def at(self, moment: float) -> int:
        """The first step that has seen what happened at a moment; it may be after the last."""
        return max(ceil(moment / self.step), self.first + 1)

    def times(self) -> list[str]:
        """The moments of all steps, as they are written."""
        return [str(number * self.step) for number in range(self.first, self.last + 1)]

    def spans(self, days: int) -> list[Span]:
        """One span for each 30 days of so many, counted back from the last step, oldest first."""
        each = max(DAYS_A_FILE * DAY // self.step, 1)
        spans: list[Span] = []
        end = self.last + 1
        for _ in range(ceil(days / DAYS_A_FILE) - 1):
            if end - each <= self.first:
                break
            spans.append(Span(end - each, end))
            end -= each
        return [Span(self.first, end), *reversed(spans)]

    def file_name(self, span: Span) -> str:
        """A file's name, with the day on which it begins and that on which it ends."""
        first, last = (
            datetime.fromtimestamp(number * self.step, UTC).strftime("%Y%m%d") for number in (span.first, span.end - 1)
        )
        return f"circleci-runs-{first}-{last}.om"
