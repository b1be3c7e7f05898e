"""The synthetic CircleCI as one object: its address, its data, its faults, what it was asked."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from exporter.demo import control
from exporter.demo.access import carries
from exporter.demo.bucket import TokenBucket
from exporter.demo.clock import Clock
from exporter.demo.faults import Fault, Faults
from exporter.demo.kinds import SILENT
from exporter.demo.messages import API, Json, Reply, Request, Seen, message
from exporter.demo.organisation import Organisation
from exporter.demo.routes import respond
from exporter.demo.server import Server

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from exporter.demo.model import Project

DEMO_TOKEN = "circleci-demo-token"  # noqa: S105  opens nothing but this
_LOGGED = 200_000
_CACHED = 50_000


class Circle:
    """A CircleCI on loopback, from `__enter__` (or `start`) to `__exit__` (or `stop`).

    Give an `organisation`, or what to make one of: `seed`, `projects`, `speed` and `start` of its clock, `refresh`,
    `pace`, `quiet`. See `Organisation` and `Clock` for their meaning.
    """

    def __init__(
        self,
        organisation: Organisation | None = None,
        *,
        seed: int = 1,
        projects: tuple[Project, ...] | None = None,
        start: float | None = None,
        speed: float = 1.0,
        refresh: float = 86_400.0,
        pace: float = 1.0,
        quiet: bool = False,
        token: str = DEMO_TOKEN,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the port; answer from `start` on."""
        self.organisation = organisation or Organisation(
            projects, seed=seed, clock=Clock(start, speed), refresh=refresh, pace=pace, quiet=quiet
        )
        self.tokens = frozenset({token})
        self.token = token
        self.faults = Faults(seed)
        self.bucket: TokenBucket | None = None
        self._seen: deque[Seen] = deque(maxlen=_LOGGED)
        self._cache: dict[tuple[str, str], tuple[object, Reply]] = {}
        self._lock = threading.Lock()
        self.server = Server(self.answer, port, tls)
        self.url = self.server.url

    # ---- life

    def start(self) -> Self:
        """Begin to answer."""
        self.server.start()
        return self

    def stop(self) -> None:
        """Close every connection and the port."""
        self.server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- what tests and the command do with it

    @property
    def clock(self) -> Clock:
        """The organisation's time."""
        return self.organisation.clock

    @property
    def requests(self) -> list[Seen]:
        """What it was asked, oldest first; control requests are left out."""
        return list(self._seen)

    def fail(self, kind: str, match: str = "", **options: Json) -> Fault:
        """Set a fault (see `Faults.add`); `hits` of the result counts how often it was met."""
        return self.faults.add(kind, match, **options)

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
        reply = refusal or self._reply(request, token_ok, fault)
        if bucket is not None and not refusal:
            reply = bucket.mark(reply)
        self._seen.append(
            Seen(
                request.method,
                request.path.removeprefix(API),
                request.query,
                0 if reply.delivery in SILENT else reply.status,
                time.time(),
                token_ok,
                request.headers.get("host"),
                request.headers.get("user-agent"),
                tuple(request.headers),
                fault.kind if fault else None,
            )
        )
        for run in fault.runs if fault else ():
            self.organisation.add_run(**run)
        return reply

    def _reply(self, request: Request, token_ok: bool, fault: Fault | None) -> Reply:
        if fault is not None and fault.row.before is not None:
            request = fault.row.before(request)
        if fault is not None and fault.row.replaces:
            return fault.apply(Reply())
        reply = self._cached(request) if token_ok else message(401, "Invalid token provided.")
        return reply if fault is None else fault.apply(reply)

    def _cached(self, request: Request) -> Reply:
        stamp = (self.organisation.aggregated_at(), self.organisation.version)
        key = (request.method, request.target)
        held = self._cache.get(key)
        if held is not None and held[0] == stamp:
            return held[1]
        reply, holds = respond(self.organisation, request)
        if holds:
            with self._lock:
                if len(self._cache) >= _CACHED:
                    self._cache.clear()
                self._cache[key] = (stamp, reply)
        return reply
