"""The one limiter of the process: who may ask CircleCI next, and when.

Requests wait in one queue; `turns` says who is next in it. Only that one keeps an eye on the clock, the others sleep
until they are handed a slot. While it is not known whether CircleCI can be asked at all, only the light question has
its turn that finds it out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import random as uniform

from exporter.client.headers import Quota
from exporter.client.pace import NEVER, Contact, Pace
from exporter.client.turns import Turns
from exporter.client.waiter import Condition, Waiter
from exporter.errors import DeadlineError, PollError, Stopped, ThrottledError

News = Callable[[Pace, Contact, float], None]
"""What an answer says, noted at a moment of the clock."""
LONGEST_WAIT = 5.0
"""Seconds after which a wait looks at the clock again, so that what is counted is never older."""


@dataclass(frozen=True, slots=True)
class LimiterState:
    """What the limiter does now. Rates are requests per second, `paused_until` is in seconds since 1970."""

    rate: float
    configured_rate: float
    burst: int
    concurrency: int
    in_flight: int
    waiting: int
    paused_until: float | None


@dataclass(eq=False, slots=True)
class Slot:
    """The right to make one request; takes what the answer says of limits."""

    slug: str
    deadline: float
    refused_before: bool
    patient: bool
    ahead: bool
    light: bool
    wake: Condition
    tell: Callable[[News], None]
    turn: int = 0
    epoch: int = 0

    def succeeded(self) -> None:
        """The API answered as it does when nothing holds it back."""

        def news(pace: Pace, contact: Contact, now: float) -> None:
            pace.succeeded(self.slug, self.epoch, now)
            contact.answered(now)

        self.tell(news)

    def refused(self, retry_after: float | None) -> None:
        """The API answered 429; `retry_after` are the seconds that it named."""
        self.tell(lambda pace, _, now: pace.refused(self.epoch, now, retry_after))

    def blocked(self, retry_after: float | None) -> None:
        """A content delivery network answered in the API's place."""
        self.tell(lambda pace, _, now: pace.blocked(self.slug, self.epoch, now, retry_after))

    def quota(self, quotas: Iterable[Quota]) -> None:
        """The API said what is left of its rate limits."""
        self.tell(lambda pace, _, now: pace.quota(quotas, now))


class Limiter:
    """Rate, burst and concurrency of all requests. Safe from any thread."""

    def __init__(
        self,
        rate: float,
        burst: int,
        concurrency: int,
        *,
        stop: threading.Event,
        throttled: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = uniform,
        waiter: Waiter | None = None,
        steady: bool = False,
    ) -> None:
        """Start with the whole burst at hand.

        `rate` is requests per second; every wait ends at `stop`; `throttled` is told the seconds in which
        everything was paused, or a request waited since the API's quota runs low. `clock` is monotonic and is
        that of every deadline, `wall` tells seconds since 1970. A `steady` one stays as it is, whatever answers say.
        """
        self._lock = threading.Lock()
        self._waiter = waiter or Waiter()
        self._stop = stop
        self._throttled = throttled
        self._clock, self._wall = clock, wall
        self._concurrency, self._steady = concurrency, steady
        self._pace, self._contact = Pace(rate, burst, clock(), random), Contact()
        self._turns = Turns[Slot]()
        self._curious: list[Condition] = []
        self._next: Slot | None = None
        self._counted = clock()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def slot(
        self,
        slug: str,
        deadline: float,
        *,
        refused: bool = False,
        patient: bool = False,
        ahead: bool = False,
        light: bool = False,
    ) -> Iterator[Slot]:
        """Wait for a slot for one request of a project, and hold it. Raises ThrottledError, DeadlineError or Stopped.

        `refused` says that the API already refused it once. A `patient` one takes no harm from the requests before
        it: the time that it waits for its turn moves its deadline, unless the API itself holds everything up. One
        that goes `ahead` has its turn before all others, by the same rate. While contact is lost, all but the `light`
        question meet the failure that this one has met.
        """
        wake = self._waiter.condition(self._lock)
        slot = Slot(slug, deadline, refused, patient, ahead, light, wake, self._tell)
        self._enter(slot)
        try:
            yield slot
        finally:
            with self._lock:
                self._settle()
                self._turns.end(slot)
                self._hand_out()

    @property
    def lost(self) -> PollError | None:
        """Why CircleCI cannot be asked; None while it can, as far as is known."""
        return self._contact.lost

    def doubt(self, failure: PollError, began: float) -> bool:
        """Whether to ask the light question now, and then to tell by `found` what it met: until then nothing else goes.

        `failure` is that of a question that began at that moment of the clock. Where somebody else asks the light
        question just now, this waits until that has told what the failure is worth. Raises Stopped.
        """
        with self._lock:
            doubted = self._contact.doubt(failure, began)
            self._hand_out()
            if failure.of_all and not doubted:
                self._wait_until_known()
            return doubted

    def _wait_until_known(self) -> None:
        wake = self._waiter.condition(self._lock)
        self._curious.append(wake)
        try:
            while self._contact.doubted:
                if self._stop.is_set():
                    raise Stopped
                wake.wait(LONGEST_WAIT)
        finally:
            self._curious.remove(wake)

    def found(self, failure: PollError | None, *, known: bool = True) -> None:
        """Note what the light question met, if anything is `known` of that."""
        with self._lock:
            if known:
                self._contact.found(failure, self._settle())
            else:
                self._contact.unknown()
            self._wake_all()
            self._hand_out()

    def rest(self, seconds: float) -> None:
        """Wait outside of every slot. Raises Stopped at once when the process ends."""
        self._waiter.sleep(seconds, self._stop)
        if self._stop.is_set():
            raise Stopped

    def reconfigure(self, rate: float, burst: int, concurrency: int) -> None:
        """Take new limits; what is under way or paused stays so."""
        with self._lock:
            self._concurrency = concurrency
            self._pace.reconfigure(rate, burst, self._settle())
            self._next = None  # so that whoever is next looks at its moment anew
            self._hand_out()

    def state(self) -> LimiterState:
        with self._lock:
            pause = self._pace.paused_until - self._settle()
            return LimiterState(
                rate=self._pace.rate,
                configured_rate=self._pace.configured,
                burst=self._pace.burst,
                concurrency=self._concurrency,
                in_flight=self._turns.in_flight,
                waiting=len(self._turns),
                paused_until=self._wall() + pause if pause > 0 else None,
            )

    def _enter(self, slot: Slot) -> None:
        with self._lock:
            if self._watcher is None:  # what is made and not used leaves no thread behind
                self._watcher = threading.Thread(target=self._wake_at_stop, name="limiter-stop", daemon=True)
                self._watcher.start()
            looked = self._settle()  # until now nobody may have waited
            self._turns.enter(slot)
            self._hand_out()
            waited = False
            try:
                while not self._may_go(slot, self._settle()):
                    waited = True
                    slot.wake.wait(self._patience(slot))
                    looked = self._excuse(slot, looked)
                self._pace.take(self._clock(), waited=waited)
                slot.epoch = self._pace.epoch
                self._turns.begin(slot, self._clock())
            finally:
                self._turns.leave(slot)
                self._hand_out()

    def _tell(self, news: News) -> None:
        """Note what an answer said."""
        if self._steady:
            return
        with self._lock:
            before = self._pace.ready
            news(self._pace, self._contact, self._settle())
            if self._next is not None and self._pace.ready < before:
                self._next.wake.notify()

    def _excuse(self, slot: Slot, since: float) -> float:
        """Move the deadline of a patient slot by its wait since a moment; returns the clock."""
        now = self._clock()
        if slot.patient and max(self._pace.paused_until, self._pace.slowed_until) <= since:
            slot.deadline += now - since
        return now

    def _may_go(self, slot: Slot, now: float) -> bool:
        """Whether it is the turn of `slot` now. Raises when it never will be."""
        if self._stop.is_set():
            raise Stopped
        if not slot.light and (failure := self._contact.failure()) is not None:
            raise failure
        if now < self._pace.paused_until >= slot.deadline or (slot.refused_before and now >= slot.deadline):
            raise ThrottledError("rate limited by CircleCI (429) until the poll's deadline")
        if now >= slot.deadline:
            raise DeadlineError("the poll's deadline passed before the request could be sent")
        return slot is self._next and now >= self._pace.ready

    def _patience(self, slot: Slot) -> float:
        """Seconds for which `slot` need not look at the clock."""
        now = self._clock()
        until = min(slot.deadline, now + LONGEST_WAIT)
        if slot is self._next:
            until = min(until, self._pace.ready)
        return max(until - now, 0.0)

    def begin_empty(self, paused_until: float | None) -> None:
        """Begin with nothing at hand: another process may have just used the burst. `paused_until` is a Unix time."""
        with self._lock:
            now = self._settle()
            self._pace.begin_empty(now, NEVER if paused_until is None else now + paused_until - self._wall())

    def _hand_out(self) -> None:
        """Choose who is next, and wake it when that is another than before."""
        chosen = self._turns.next(self._concurrency, self._clock(), light=not self._contact.held)
        if chosen is not None and chosen is not self._next:
            chosen.wake.notify()
        self._next = chosen

    def _settle(self) -> float:
        """Count the throttled seconds since the last look, and return the clock."""
        now = self._clock()
        until = max(self._pace.paused_until, self._pace.slowed_until if self._turns else NEVER)
        if (seconds := min(now, until) - self._counted) > 0:
            self._throttled(seconds)
        self._counted = now
        return now

    def _wake_at_stop(self) -> None:
        self._stop.wait()
        with self._lock:
            self._wake_all()

    def _wake_all(self) -> None:
        for wake in [*(slot.wake for slot in self._turns), *self._curious]:
            wake.notify()
