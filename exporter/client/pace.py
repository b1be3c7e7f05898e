"""When requests may go: how fast they may follow each other, and whether CircleCI can be asked at all. Pure.

Rate and burst are the generic cell rate algorithm (the leaky bucket as a meter): one moment, `_due`, stands for
the whole bucket. A pause halves the rate, which then grows back by the same amount each second (AIMD). Every
`now` is the same monotonic clock, in seconds.

One light question speaks for every other: a failure that every question may meet is no more than a doubt, until the
light question has failed too. Then contact is lost, and nothing else is asked before that question is answered again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.client.headers import Quota
from exporter.errors import PollError, UnauthorizedError

LONGEST_PAUSE = 3600.0
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 300.0
SLOWEST = 1 / 32
"""The least share of the configured rate that pauses leave."""
RECOVERY = 600.0
"""Seconds in which the rate grows from nothing to the configured one."""
LATENESS = 0.1
"""Seconds by which a waiting request may be woken late without a loss of rate."""
LONGEST_GAP = 60.0
LEAST_SHARE = 0.1
BLOCK_WINDOW = 300.0
NEVER = float("-inf")


def full_jitter(attempt: int, first: float, last: float, random: Callable[[], float]) -> float:
    """Seconds between `first` and a ceiling of `first` doubled `attempt` times, at most `last`."""
    ceiling = min(last, first * 2.0 ** min(attempt, 64))
    return first + random() * (ceiling - first)


class Pace:
    """The moments at which requests may go."""

    def __init__(self, rate: float, burst: int, now: float, random: Callable[[], float]) -> None:
        """Start at the configured rate (requests per second) with the whole burst at hand."""
        self.configured = self.rate = rate
        self.burst = burst
        self.epoch = 0  # the number of pauses so far: tells whether a request began before the newest
        self.paused_until = NEVER
        self._random = random
        self._due = now
        self._grown = now
        self._last = NEVER
        self._consecutive = 0
        self._gap = 0.0
        self._held_from = self._held_until = NEVER
        self._blocked = ("", NEVER)

    @property
    def _tolerance(self) -> float:
        return (self.burst - 1) / self.rate

    @property
    def held_until(self) -> float:
        """The moment before which a quota that runs low holds the next request back."""
        return min(self._held_until, max(self._last, self._held_from) + self._gap)

    @property
    def slowed_until(self) -> float:
        """The same, where it is later than what the rate asks for."""
        return self.held_until if self.held_until > self._due - self._tolerance else NEVER

    @property
    def ready(self) -> float:
        """The moment from which the next request may go."""
        return max(self._due - self._tolerance, self.paused_until, self.held_until)

    def take(self, now: float, *, waited: bool) -> None:
        """Count a request that goes now; one that waited for its moment is not charged for waking late."""
        self._due = max(now - LATENESS if waited else now, self._due) + 1 / self.rate
        self._last = now

    def reconfigure(self, rate: float, burst: int, now: float) -> None:
        """Take a new rate and burst; what pauses have left of the old rate stays the same share."""
        share = self.rate / self.configured
        self.configured, self.burst = rate, burst
        self._change(rate * share, now)

    def succeeded(self, slug: str, epoch: int, now: float) -> None:
        """A request was answered: let the rate grow, and forget the row of pauses if it began after them."""
        if epoch == self.epoch:
            self._consecutive = 0
        if slug == self._blocked[0]:
            self._blocked = ("", NEVER)
        if self.rate < self.configured and now > self._grown:
            grown = self.rate + self.configured * (now - self._grown) / RECOVERY
            self._change(min(self.configured, grown), now)
            self._grown = now

    def refused(self, epoch: int, now: float, retry_after: float | None) -> None:
        """A request that began in `epoch` was refused with 429: pause everything.

        One that began before the newest pause opens no other; it can only make that one longer.
        """
        if epoch == self.epoch:
            self.epoch += 1
            self._consecutive += 1
            self._change(max(self.rate / 2, self.configured * SLOWEST), now)
            if retry_after is None:
                retry_after = full_jitter(self._consecutive, FIRST_BACKOFF, LAST_BACKOFF, self._random)
        if retry_after is not None:
            self._pause(now + min(retry_after, LONGEST_PAUSE))

    def blocked(self, slug: str, epoch: int, now: float, retry_after: float | None) -> None:
        """A content delivery network blocked a project's request: pause when another project's was too."""
        other, at = self._blocked
        self._blocked = (slug, now)
        if other not in {"", slug} and now - at <= BLOCK_WINDOW:
            self.refused(epoch, now, retry_after)

    def quota(self, quotas: Iterable[Quota], now: float) -> None:
        """Spread what is left over the time until the reset when a rate limit is nearly spent.

        The rate falls with what is left too: some resets are a window's length rather than a countdown. What the
        newest answer says holds, and at most for a minute, so that no header can stop everything.
        """
        low = [quota for quota in quotas if quota.nearly_spent]
        self._gap = max((max(quota.gap, self._cautious_gap(quota)) for quota in low), default=0.0)
        self._held_from = now
        self._held_until = now + min(max((quota.reset for quota in low), default=0.0), LONGEST_GAP)

    def _cautious_gap(self, quota: Quota) -> float:
        return 1 / (self.rate * max(quota.share, LEAST_SHARE))

    def begin_empty(self, now: float, paused_until: float) -> None:
        """Let one request go now, or at the end of a pause, and the others after it by the rate."""
        self._due = now + self._tolerance
        if paused_until > now:
            self._pause(min(paused_until, now + LONGEST_PAUSE))

    def _pause(self, until: float) -> None:
        if until > self.paused_until:
            self.paused_until = self._grown = until
            # A pause is no rest in which a burst gathers: one request goes at its end.
            self._due = until + self._tolerance

    def _change(self, rate: float, now: float) -> None:
        """Change the rate; requests that were taken beforehand stay taken."""
        base = max(now, self.paused_until)
        self._due = base + (self._due - base) * self.rate / rate
        self.rate = rate


class Contact:
    """Held at first; `doubted` while the light question is asked, `lost` with the failure that it met."""

    def __init__(self) -> None:
        self.doubted = False
        self.lost: PollError | None = None
        self._answered = self._confirmed = NEVER

    @property
    def held(self) -> bool:
        """Whether any question may be asked, not only the light one."""
        return not self.doubted and self.lost is None

    def answered(self, now: float) -> None:
        """CircleCI answered a question."""
        self._answered = now

    def doubt(self, failure: PollError, began: float) -> bool:
        """Whether a failure of a question that began then is to be looked into, by asking the light question now.

        It is not where another question was answered meanwhile. But some answers need no token: a refused one is
        doubted until the light question was answered.
        """
        meanwhile = self._confirmed if isinstance(failure, UnauthorizedError) else self._answered
        if not failure.of_all or not self.held or meanwhile >= began:
            return False
        self.doubted = True
        return True

    def found(self, failure: PollError | None, now: float) -> None:
        """The light question was answered, or met a failure."""
        self.doubted, self.lost = False, failure
        if failure is None:
            self._answered = self._confirmed = now

    def unknown(self) -> None:
        """The light question could not be asked: nothing is known that was not before."""
        self.doubted = False

    def failure(self) -> PollError | None:
        """What a question meets that is not asked, since contact is lost."""
        if self.lost is None:
            return None
        failure = type(self.lost)(str(self.lost))
        failure.held = True
        return failure
