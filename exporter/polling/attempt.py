"""The bookkeeping of one poll: its deadline, its failures, its outcome. Every kind of poll is built on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from exporter.client import Client, Waiter
from exporter.errors import InternalError, PollError, Stopped
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Outcome
from exporter.polling.side_by_side import SideBySide, Threads
from exporter.system.logs import Logger
from exporter.telemetry import Telemetry

MIN_DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """`wall` names moments, in Unix seconds; `monotonic` counts intervals, and is the client's clock.

    `waiter` has the limiter's waits on that clock.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    waiter: Waiter = field(default_factory=Waiter)


SYSTEM_CLOCKS = Clocks()


@dataclass(slots=True)
class Held:
    """What happened inside a guard: the failure, if there was one."""

    error: PollError | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """What all polls of a process ask with; `begin` starts the bookkeeping of one."""

    client: Client
    clocks: Clocks
    telemetry: Telemetry
    log: Logger
    threads: Threads = field(default_factory=Threads)

    def side_by_side(self) -> SideBySide:
        """For the tasks of one poll."""
        return SideBySide(self.threads)

    def ahead(self) -> float:
        """By how many seconds the wall clock is ahead of CircleCI's; 0 while that has not said what time it is."""
        now, date = self.clocks.wall(), self.client.date()
        return 0.0 if date is None else now - date

    def begin(self, collector: str, interval: float, *, gave_up: PollError | None = None) -> Attempt:
        """Start to count; `interval` is in seconds, `gave_up` what already made asking on useless."""
        return Attempt(self, collector, self.clocks.monotonic() + max(interval, MIN_DEADLINE), gave_up)


class Attempt:
    """One poll of one collector, made by `Attempts.begin` or `beside`.

    It goes on for its interval, at least 5 min, by the monotonic clock. Each question has 5 min, even a late one:
    waiting at a low rate is no failure. But once the poll's time is over, the first failure ends it.

    `answered` says that CircleCI has answered something of what the collector needs: without that it is no success.
    `error` is its first failure, `gave_up` the failure after which asking on is of no use: one that would
    meet every question alike, or any once the poll's time is over.
    """

    def __init__(self, attempts: Attempts, collector: str, until: float, gave_up: PollError | None) -> None:
        self._attempts, self._clocks, self._telemetry = attempts, attempts.clocks, attempts.telemetry
        self._until, self._began = until, attempts.clocks.monotonic()
        self.collector, self.answered = collector, False
        self.error = self.gave_up = gave_up

    def beside(self, collector: str = "") -> Attempt:
        """Start to count apart in the same poll, for the same collector or another; it has given up if this one has."""
        return Attempt(self._attempts, collector or self.collector, self._until, self.gave_up)

    def join(self, beside: Attempt) -> None:
        """Take over how something went that was asked beside this."""
        self.answered = self.answered or beside.answered
        self.error = self.error or beside.error
        self.gave_up = self.gave_up or beside.gave_up

    def side_by_side(self) -> SideBySide:
        """For tasks of this poll."""
        return self._attempts.side_by_side()

    def over(self) -> bool:
        """Whether asking on would be of no use."""
        return self.gave_up is not None

    def now(self) -> float:
        """The wall clock, in Unix seconds."""
        return self._clocks.wall()

    def date(self) -> float:
        """CircleCI's clock, in Unix seconds; the wall clock while it has not said what time it is."""
        date = self._attempts.client.date()
        return self.now() if date is None else date

    def hear_date(self) -> None:
        """Let CircleCI say what time it is, if no answer has yet. Raises PollError or Stopped."""
        if self._attempts.client.date() is None:
            self.document(Question(self.collector, "/me", ""))

    def ahead(self) -> float:
        """By how many seconds the wall clock is ahead of CircleCI's; 0 while that has not said what time it is."""
        return self._attempts.ahead()

    def earlier(self) -> float:
        """The wall clock or CircleCI's, whichever is behind: what is read from a time ahead would miss something."""
        return min(self.now(), self.date())

    def pages(
        self, question: Question, *, ahead: bool = False, after: str | None = None
    ) -> Generator[object, None, None]:
        """All pages of an answer until the poll's deadline, or those from a page token on. Raises PollError or Stopped.

        A question that goes `ahead` waits for no other that waits.
        """
        client, began = self._attempts.client, self._clocks.monotonic()
        try:
            for page in client.pages(
                question, deadline=max(self._until, began + MIN_DEADLINE), ahead=ahead, after=after
            ):
                self.answered = True
                yield page
                began = self._clocks.monotonic()
        except PollError as error:
            client.doubt(error, began)
            raise

    def document(self, question: Question, *, ahead: bool = False) -> object:
        """An answer that has one page. Raises PollError or Stopped."""
        return next(self.pages(question, ahead=ahead))

    def fail(self, error: PollError) -> None:
        """Count a failure, and remember the first."""
        self.count(error)
        self.error = self.error or error

    def count(self, error: PollError) -> None:
        """Count a failure that does not fail the collector, since known facts are used; what was not asked is none."""
        if not error.held:
            self._telemetry.failed(self.collector, error.reason)
        if error.ends_poll or error.held or self._clocks.monotonic() >= self._until:
            self.gave_up = self.gave_up or error

    def counted(self, delays: Iterable[tuple[str, float]]) -> None:
        """Note that runs were published: for each who told of it first, and its stop in Unix seconds."""
        for source, stopped_at in delays:
            self._telemetry.run_counted(source, max(self.now() - stopped_at, 0.0))

    def unread(self, fields: Mapping[str, int]) -> None:
        """Count fields that could not be read, by their dotted path."""
        self._telemetry.unread(self.collector, fields)

    @contextmanager
    def guard(self, what: str) -> Iterator[Held]:
        """Limit a failure, or an unexpected error, to what is done inside; `what` names it in the log."""
        held = Held()
        try:
            yield held
        except Stopped:
            raise
        except PollError as error:
            held.error = error
            self.fail(error)
        except Exception as defect:  # a defect costs what it meets, and is counted
            self._attempts.log.exception("unexpected error in one request", collector=self.collector, request=what)
            held.error = InternalError(f"{type(defect).__name__} while reading {what}")
            self.fail(held.error)

    def outcome(self, before: Outcome | None) -> Outcome | None:
        """How it went; `before` is the outcome of the collector's poll before, and stays that without any answer."""
        now, error = self.now(), self.error or self.gave_up
        if error is None and not self.answered:
            return before
        return Outcome(
            success=error is None,
            duration=self._clocks.monotonic() - self._began,
            finished_at=now,
            last_success=now if error is None else before.last_success if before else None,
            error=str(error or ""),
            reason=error.reason if error else "",
        )

    def outcomes(self, before: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
        """The outcomes of a project with this one among them."""
        outcome = self.outcome(before.get(self.collector))
        return before if outcome is None else {**before, self.collector: outcome}
