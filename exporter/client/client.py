"""CircleCI's API over HTTP: a question in, decoded JSON out, or a PollError that says why not."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import random as uniform

from exporter.client import body, headers
from exporter.client.access import LONGEST_NAME, Access, Surroundings, named
from exporter.client.failures import delay, up
from exporter.client.limiter import Limiter, Slot
from exporter.client.transport import Answer
from exporter.config import CircleCI, Secret, TokenSource
from exporter.errors import (
    DeadlineError,
    GarbledError,
    PaginationError,
    PayloadError,
    PollError,
    RequestTimeout,
    ThrottledError,
    UnauthorizedError,
)
from exporter.insights.questions import Question
from exporter.telemetry import Telemetry

LIGHT = Question("", "/me", "")
"""The question that speaks for all, since it asks only for who holds the token."""
PATIENCE = 60.0
"""Seconds in which the light question is to be answered."""
MOST_PAGES = 1000
LONGEST_PAGE_TOKEN = 8192


class Client:
    """Asks questions of one CircleCI, from any number of threads."""

    def __init__(  # noqa: PLR0917  the parts of a process, in the order of its layers
        self,
        settings: CircleCI,
        tokens: Callable[[CircleCI], TokenSource],
        limiter: Limiter,
        telemetry: Telemetry,
        stop: threading.Event,
        version: str,
        *,
        told: Callable[[PollError | None], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = uniform,
    ) -> None:
        """`tokens` makes what gives the token, by some settings.

        `clock` is monotonic and the limiter's too; `wall` tells seconds since 1970.
        `told` is told each time what the light question met: a failure, or none.

        Raises ConfigError without a token, StartError when the proxy of the environment or `ca_file` cannot be used.
        """
        self._around = Surroundings(telemetry, stop, version, clock, wall)
        self._tokens, self._limiter, self._clock, self._random, self._told = tokens, limiter, clock, random, told
        self._access = self.opened(settings)
        self._dated: tuple[float, float] | None = None

    def prepare(self, settings: CircleCI) -> Callable[[], None]:
        """Make ready to ask by other settings, from the call of what is returned on. Raises as above.

        Requests under way then end by the old ones.
        """
        access = self.opened(settings)

        def adopt() -> None:
            before, self._access = self._access, access
            before.close()

        return adopt

    def opened(self, settings: CircleCI, other_url: str = "") -> Access:
        """Access by some settings, also to another host than theirs. Raises as above."""
        return Access.opened(settings, self._tokens(settings), self._around, other_url)

    @property
    def access(self) -> Access:
        """By what CircleCI is asked now; whoever asks by a limiter of its own takes it anew each time."""
        return self._access

    def pages(
        self, question: Question, *, deadline: float, ahead: bool = False, after: str | None = None
    ) -> Iterator[dict[str, object]]:
        """Every page of an answer, or those from a page token on. Raises PollError or Stopped.

        `deadline` is a moment of the clock. The time that requests wait for their turn does not count. A question
        that goes `ahead` waits for those under way and the rate, but for no other that waits.
        """
        token = after
        seen: set[str] = set()
        while True:
            page, deadline = self._fetch(question, deadline, token, ahead=ahead)
            if not isinstance(page, dict):
                raise PayloadError(f"{_name(question)}: the body is not an object")
            token = _next(page.get("next_page_token"), seen, question)
            yield page
            if token is None:
                return

    def fetch(
        self, question: Question, *, deadline: float, page_token: str | None = None, ahead: bool = False
    ) -> object:
        """The decoded JSON of one page. Raises PollError or Stopped."""
        page, _ = self._fetch(question, deadline, page_token, ahead=ahead)
        return page

    def _fetch(
        self, question: Question, deadline: float, page_token: str | None, *, ahead: bool
    ) -> tuple[object, float]:
        """One page, and the deadline of the next."""
        target = self._access.target(question, page_token)
        failures, renewed, refused = Counter[bool](), False, False
        failure: PollError | None = None
        while True:
            try:
                with self._limiter.slot(question.slug, deadline, refused=refused, patient=True, ahead=ahead) as slot:
                    deadline = slot.deadline
                    access = self._access
                    token = access.tokens.current()
                    answer, failure = self._ask(access, question, target, token, slot)
            except PollError as error:
                if error.held and failure is not None:  # it was asked, and that failed
                    raise named(failure, question.path) from None
                raise
            if failure is None:
                try:
                    return body.decode(answer.body), deadline
                except PollError as error:
                    failure = error.with_traceback(None)  # or it would keep the body
            match failure:
                case ThrottledError():
                    refused = True
                case UnauthorizedError() if not renewed and self._is_another_now(token):
                    renewed = True
                case _:
                    failures[answer.stale] += 1  # a stale connection never reached CircleCI: counted apart
                    self._rest_before_retry(failures[answer.stale], failure, answer, question, deadline)
            self._around.telemetry.retry(failure.reason)

    @property
    def lost(self) -> PollError | None:
        """Why CircleCI cannot be asked; None while it can, as far as is known."""
        return self._limiter.lost

    @property
    def means(self) -> tuple[object, Secret]:
        """By what CircleCI is asked now: the connections and the token. Other ones may do better."""
        access = self._access
        return access.transport, access.tokens.current()

    def doubt(self, failure: PollError, began: float) -> None:
        """Find out whether a failure of a question that began then is that of all questions. Raises Stopped."""
        if self._limiter.doubt(failure, began):
            self.ask_lightly()

    def ask_lightly(self) -> None:
        """Ask once for the holder of the token: whether CircleCI answers that says whether it can be asked at all.

        While it does not, all other questions meet the same failure without being asked. Raises Stopped.
        """
        failure, known = None, False
        try:
            failure, known = self._met_lightly()
            if known:
                self._told(failure)  # first, so that whoever meets the failure finds that it is told
        finally:
            self._limiter.found(failure, known=known)

    def _met_lightly(self) -> tuple[PollError | None, bool]:
        """What the light question met, if anything, and whether that tells something."""
        access, deadline = self._access, self._clock() + PATIENCE
        try:
            with self._limiter.slot(LIGHT.slug, deadline, patient=True, ahead=True, light=True) as slot:
                answer, failure = self._ask(access, LIGHT, access.target(LIGHT), access.tokens.current(), slot)
        except (DeadlineError, ThrottledError):
            return None, False
        verdict = up(answer, failure)
        if verdict is not False:
            return None, verdict is not None
        if failure is None or not failure.of_all:  # a web page, whatever its status
            failure = GarbledError(f"HTTP {answer.status} that is not JSON: something else than CircleCI's API answers")
        return named(failure, LIGHT.path), True

    def date(self) -> float | None:
        """What CircleCI's clock says now, in Unix seconds, going by its newest answer; None before the first one."""
        if self._dated is None:
            return None
        date, received = self._dated
        return date + self._clock() - received

    def close(self) -> None:
        """Close the kept connections; requests under way end by themselves."""
        self._access.close()

    def _ask(
        self, access: Access, question: Question, target: str, token: Secret, slot: Slot
    ) -> tuple[Answer, PollError | None]:
        """One attempt, and what its answer says of whether CircleCI can be asked."""
        answer, failure = access.request(question, target, token, slot)
        if (date := headers.date(answer.headers)) is not None:
            self._dated = date, self._clock()
        if low := headers.lowest(headers.quotas(answer.headers)):
            self._around.telemetry.quota(low.remaining, low.limit)
        state = up(answer, failure)
        if state is not None and (slot.light or self._limiter.lost is None):
            self._around.telemetry.api_up(state)
        return answer, failure

    def _is_another_now(self, token: Secret) -> bool:
        """Whether there is another token than the refused one; a request beside this one may have read it."""
        tokens = self._access.tokens
        return tokens.refresh() or tokens.current() != token

    def _rest_before_retry(
        self, retry_number: int, failure: PollError, answer: Answer, question: Question, deadline: float
    ) -> None:
        """Wait for a retry, or raise the failure when there is none."""
        if isinstance(failure, RequestTimeout) and self._clock() >= deadline:
            raise DeadlineError(f"{_name(question)}: the poll's deadline passed before the answer came")
        seconds = delay(failure, retry_number, stale=answer.stale, random=self._random)
        if seconds is None or self._clock() + seconds >= deadline:
            raise named(failure, question.path)
        self._limiter.rest(seconds)


def _name(question: Question) -> str:
    """How an error names what was asked."""
    return f"GET {question.path[:LONGEST_NAME]}"


def _next(token: object, seen: set[str], question: Question) -> str | None:
    """The token of the page that follows, or None after the last. Raises when the pages would never end."""
    if token is None or token == "":
        return None
    if not isinstance(token, str) or len(token) > LONGEST_PAGE_TOKEN:
        raise PayloadError(f"{_name(question)}: next_page_token is neither null nor a string of reasonable length")
    if token in seen:
        raise PaginationError(f"{_name(question)}: the same page token came twice")
    seen.add(token)
    if len(seen) >= MOST_PAGES:
        raise PaginationError(f"{_name(question)}: more than {MOST_PAGES} pages")
    return token
