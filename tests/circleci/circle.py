"""The synthetic CircleCI as tests drive it: what it was asked, its faults, limits and tokens."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from exporter.demo import SyntheticCircleCI
from exporter.demo.access import carries
from exporter.demo.circleci import DEMO_TOKEN
from exporter.demo.clock import Clock
from exporter.demo.messages import API, Json, Reply, Request
from exporter.demo.organization import Organization
from tests.circleci import control
from tests.circleci.bucket import TokenBucket
from tests.circleci.faults import Fault, Faults
from tests.circleci.kinds import SILENT
from tests.circleci.pipelines import Pipelines
from tests.circleci.runners import SetRunners
from tests.circleci.usage import Exports

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from exporter.demo.model import DemoProject

_LOGGED = 200_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a request. `at` is Unix seconds of real time, `now` those of its clock; the status is 0
    where none was sent.
    """

    method: str
    path: str
    query: str
    status: int
    at: float
    now: float
    token_ok: bool
    host: str | None
    user_agent: str | None
    header_names: tuple[str, ...]
    fault: str | None = None

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Circle(SyntheticCircleCI):
    """A CircleCI that remembers its requests and fails as it is told.

    Give an `organization`, or what to make one of: `seed`, `projects`, `speed` and `start` of its clock, `refresh`,
    `pace`, `quiet`, `delay`. See `Organization` and `Clock` for their meaning.
    """

    def __init__(
        self,
        organization: Organization | None = None,
        *,
        seed: int = 1,
        projects: tuple[DemoProject, ...] | None = None,
        start: float | None = None,
        speed: float = 1.0,
        refresh: float = 86_400.0,
        pace: float = 1.0,
        quiet: bool = False,
        delay: float = 0.0,
        token: str = DEMO_TOKEN,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.faults = Faults(seed)
        self.controlled: list[Fault] = []
        """The faults that another process has set, in this order."""
        self.bucket: TokenBucket | None = None
        self._seen: deque[Seen] = deque(maxlen=_LOGGED)
        self._watched: list[tuple[re.Pattern[str], Callable[[], None]]] = []
        super().__init__(
            organization
            or Organization(
                projects,
                seed=seed,
                clock=Clock(start, speed),
                refresh=refresh,
                pace=pace,
                quiet=quiet,
                delay=delay,
            ),
            token=token,
            port=port,
            tls=tls,
        )
        self.pipelines = Pipelines(self.organization)
        self.usage: Exports = Exports(self.organization)
        self.runners: SetRunners = SetRunners(self.organization)

    # ---- what tests do with it

    @property
    def clock(self) -> Clock:
        """The organization's time."""
        return self.organization.clock

    @property
    def requests(self) -> list[Seen]:
        """What it was asked, oldest first; control requests are left out."""
        return list(self._seen)

    def asked(self, match: str) -> list[Seen]:
        """What it was asked with this expression in path and query, oldest first."""
        return [each for each in self.requests if re.search(match, each.target)]

    def when_asked(self, match: str, look: Callable[[], T]) -> list[T]:
        """What is seen each time that this is asked from now on, once its answer is chosen."""
        seen: list[T] = []
        self._watched.append((re.compile(match), lambda: seen.append(look())))
        return seen

    def fail(self, kind: str, match: str = "", **options: Json) -> Fault:
        """Set a fault (see `Faults.add`); `hits` of the result counts how often it was met."""
        return self.faults.add(kind, match, **options)

    def next_answers(self, match: str, *replies: Reply | Callable[[Reply], Reply]) -> None:
        """Answer what is asked with this expression so, in this order, or with what is made of the good answer."""
        for reply in replies:
            self.fail("made", match, times=1, by=reply if callable(reply) else partial(_instead, reply))

    def heal(self) -> None:
        """Take all faults and limits away."""
        self.faults.clear()
        self.bucket = None

    def limit(self, rate: float, burst: int) -> TokenBucket:
        """Refuse what exceeds this; `violations` of the result counts it."""
        self.bucket = TokenBucket(rate, burst)
        return self.bucket

    def accept(self, *tokens: str) -> None:
        """Take these tokens from now on and no others."""
        self.tokens = frozenset(tokens)

    def forget_requests(self) -> None:
        """Empty the log."""
        self._seen.clear()

    # ---- answering

    def answer(self, request: Request) -> Reply:
        """Reply to a request; called in the thread of its connection."""
        if request.path.startswith(control.PREFIX):
            return control.answer(self, request)
        token_ok = carries(request.headers, self.tokens)
        bucket = self.bucket
        refusal = bucket.refusal() if bucket is not None else None
        fault = None if refusal else self.faults.take(request.target)
        reply = self._dated(refusal or self._faulty(request, fault, token_ok=token_ok))
        if bucket is not None and not refusal:
            reply = bucket.mark(reply)
        self._seen.append(
            Seen(
                request.method,
                request.path.removeprefix(API),
                request.query,
                0 if fault and fault.kind in SILENT else reply.status,
                time.time(),
                self.clock.now(),
                token_ok,
                request.headers.get("host"),
                request.headers.get("user-agent"),
                tuple(request.headers),
                fault.kind if fault else None,
            )
        )
        for pattern, look in self._watched:
            if pattern.search(request.target):
                look()
        for run in fault.runs if fault else ():
            self.organization.add_run(**run)
        for action, given in fault.steps if fault else ():
            self.pipelines.step(action, given)
        return reply

    def _faulty(self, request: Request, fault: Fault | None, *, token_ok: bool) -> Reply:
        if fault is None:
            return self._reply(request, token_ok=token_ok)
        if fault.row.replaces:
            return fault.apply(Reply())
        asked = fault.row.before(request) if fault.row.before is not None else request
        return fault.apply(self._reply(asked, token_ok=token_ok))


def _instead(reply: Reply, _good: Reply) -> Reply:
    return reply
