"""How long a replica may take itself for the leader: a question of time alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from exporter.state.postgres.lease_table import Hold

SHARE: Final = 0.9
"""Of the lease: the rest is for clocks that run at other speeds."""
RENEWALS: Final = 3
"""In each lease."""
RETRY: Final = 10
"""Attempts in each lease while renewing fails, one a second at most."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A lease that was taken. Times are seconds of a clock that never goes back, and goes on while a machine sleeps.

    `sent_at` is when the newest good renewal was sent: the database began to count at that moment or later. `first` is
    the epoch with which it began; while it lasts the lease may be taken again.
    """

    hold: Hold
    lease: float
    sent_at: float
    first: int

    @classmethod
    def of(cls, hold: Hold, lease: float, sent_at: float) -> Self:
        """A lease that was taken by what was sent at a moment."""
        return cls(hold, lease, sent_at, hold.epoch)

    def covers(self, hold: Hold) -> bool:
        """Whether a lease was taken since this began."""
        return hold.place == self.hold.place and self.first <= hold.epoch <= self.hold.epoch

    def leads(self, now: float) -> bool:
        """Whether nobody else can have taken the lease."""
        return now - self.sent_at < SHARE * self.lease

    def renewed(self, sent_at: float) -> Self:
        return replace(self, sent_at=sent_at)

    def retaken(self, hold: Hold, sent_at: float) -> Self:
        """The same after it was taken again."""
        return replace(self, hold=hold, sent_at=sent_at)

    @property
    def pause(self) -> float:
        """Seconds until the next renewal."""
        return self.lease / RENEWALS

    @property
    def retry(self) -> float:
        """Seconds until the next attempt where a renewal failed."""
        return min(1.0, self.lease / RETRY)
