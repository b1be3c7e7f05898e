"""The synthetic CircleCI as one object: its address, its data, the token that it takes."""

from __future__ import annotations

import threading
from email.utils import formatdate
from typing import TYPE_CHECKING, Self

from exporter.demo.access import carries
from exporter.demo.messages import Reply, Request, message
from exporter.demo.routes import respond
from exporter.demo.runners import PREFIX, Runners
from exporter.demo.server import Server
from exporter.demo.usage.exports import FILES, UsageExports

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from exporter.demo.organization import Organization

DEMO_TOKEN = "circleci-demo-token"  # noqa: S105  opens nothing but this
_CACHED = 50_000
_PAGES = "/pipelines/"
_NO_PAGE = b"This CircleCI is synthetic and has no pages. At the real one, this link leads to the workflow run.\n"


class SyntheticCircleCI:
    """A CircleCI on loopback, from `__enter__` (or `start`) to `__exit__` (or `stop`)."""

    def __init__(
        self,
        organization: Organization,
        *,
        token: str = DEMO_TOKEN,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the port; answer from `start` on."""
        self.organization = organization
        self.token = token
        self.tokens = frozenset({token})
        self._cache: dict[tuple[str, str], tuple[object, Reply]] = {}
        self._lock = threading.Lock()
        self.usage, self.runners = UsageExports(organization), Runners(organization)
        self.server = Server(self.answer, port, tls)
        self.url = self.server.url

    def start(self) -> Self:
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

    def answer(self, request: Request) -> Reply:
        """Reply to a request; called in the thread of its connection."""
        return self._dated(self._reply(request, token_ok=carries(request.headers, self.tokens)))

    def _dated(self, reply: Reply) -> Reply:
        if any(name == "Date" for name, _ in reply.headers):
            return reply
        return reply.header("Date", formatdate(self.organization.clock.now(), usegmt=True))

    def _reply(self, request: Request, *, token_ok: bool) -> Reply:
        if request.path.startswith(_PAGES):  # a person who follows a link has no token
            return Reply(200, _NO_PAGE, (("Content-Type", "text/plain; charset=utf-8"),))
        if request.path.startswith(FILES):  # the signature in the URL is the credential
            return self.usage.download(request)
        if token_ok and self.usage.answers(request.path):
            return self.usage.respond(request)
        if token_ok and request.path.startswith(PREFIX):
            return self.runners.respond(request)
        return self._cached(request) if token_ok else message(401, "Invalid token provided.")

    def _cached(self, request: Request) -> Reply:
        stamp = (self.organization.aggregated_at(), self.organization.version)
        key = (request.method, request.target)
        held = self._cache.get(key)
        if held is not None and held[0] == stamp:
            return held[1]
        reply, holds = respond(self.organization, request)
        if holds:
            with self._lock:
                if len(self._cache) >= _CACHED:
                    self._cache.clear()
                self._cache[key] = (stamp, reply)
        return reply
