"""A CircleCI whose exports a test sets: a real server on loopback, strict about what it is asked."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import Future
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self

from exporter.demo.messages import API, Reply, Request, json_reply, message, whole
from exporter.demo.server import Server
from exporter.demo.times import read
from tests.usage.making import DAY, ORGANIZATION_ID, file, job_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.usage.making import Row

    Files = Callable[[float, float], list[bytes]]

TOKEN = "a-token-of-usage-0123456789abcdef"
SECRET = "b7f1d0signature0that0nobody0may0see"
_EXPORT = re.compile(rf"{API}/organizations/([^/]+)/usage_export_job(?:/([^/]+))?")
LIMIT = 10


class FakeUsageApi:
    """Answers for one organization. `clock` is its time, `files` gives those of a window, `states` those of looks to
    come (completed when there are none), `replies` replaces answers by what their path begins with, once each.
    """

    def __init__(self, clock: Callable[[], float], *, slug: str = "gh/acme", ident: str = ORGANIZATION_ID) -> None:
        self.clock, self.slug, self.ident = clock, slug, ident
        self.idents = {ident}
        self.files: Files = lambda _start, _end: []
        self.states: list[str] = []
        self.replies: list[tuple[str, Reply | Callable[[Request], Reply]]] = []
        self.collaborations: Any = [{"id": ident, "slug": slug.replace("gh/", "github/"), "name": "acme"}]
        self.requests: list[tuple[float, Request]] = []
        self.windows: list[tuple[float, float]] = []
        self.served: list[tuple[str, int]] = []
        self.send = whole
        self.in_background = False
        """Whether files are made while looks say `processing`, and not before a start is answered."""
        self._exports: dict[str, Future[list[bytes]]] = {}
        self._looks = 0
        self._lock = threading.Lock()
        self._server = Server(self._answer)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def rows(self, *rows: Row) -> None:
        """Let every window have these rows, in one file."""
        self.files = lambda _start, _end: [file(rows)]

    def asked(self, method: str) -> list[float]:
        """When exports were started (POST) or looked at (GET)."""
        return [at for at, request in self.requests if request.method == method and "usage_export_job" in request.path]

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append((self.clock(), request))
            reply = self._reply(request)
        return reply.header("Date", formatdate(self.clock(), usegmt=True))

    def _reply(self, request: Request) -> Reply:
        return self._replaced(request) or self._usual(request)

    def _replaced(self, request: Request) -> Reply | None:
        for index, (start, reply) in enumerate(self.replies):
            if f"{request.method} {request.path} ".startswith(start):
                del self.replies[index]
                return reply(request) if callable(reply) else reply
        return None

    def _usual(self, request: Request) -> Reply:
        if request.path.startswith("/files/"):
            return self._file(request)
        if request.headers.get("circle-token") != TOKEN:
            return message(401, "Invalid token provided.")
        if request.path == f"{API}/me/collaborations":
            return json_reply(self.collaborations)
        matched = _EXPORT.fullmatch(request.path)
        if matched is None or matched[1] not in self.idents:
            return message(404, "Not found")
        recent = [at for at in self.asked(request.method) if at > self.clock() - 3600]
        if len(recent) > LIMIT:
            return message(429, "Rate limit exceeded.")
        return self._start(request) if matched[2] is None else self._look(matched[2])

    def _start(self, request: Request) -> Reply:
        document = json.loads(request.body)
        assert set(document) <= {"start", "end", "shared_org_ids"}, document
        start, end = read(document["start"]), read(document["end"])
        now = self.clock()
        if end > now or not start < end or end - start > 31 * DAY or start < now - 366 * DAY:
            return message(400, "the window is not allowed")
        self.windows.append((start, end))
        ident = job_id(1000 + len(self.windows))
        self._exports[ident] = made = Future[list[bytes]]()

        def make() -> None:
            made.set_result(self.files(start, end))

        if self.in_background:
            threading.Thread(target=make, daemon=True).start()
        else:
            make()
        return json_reply({"usage_export_job_id": ident, "state": "created", "download_urls": None}, 201)

    def _look(self, ident: str) -> Reply:
        if ident not in self._exports:
            return message(404, "Usage export not found.")
        self._looks += 1
        made = self._exports[ident]
        state = self.states.pop(0) if self.states else "completed" if made.done() else "processing"
        document: dict[str, Any] = {"usage_export_job_id": ident, "state": state, "download_urls": None}
        if state == "failed":
            document["error_reason"] = "the query was too large"
        if state == "completed":
            urls = [f"{self.url}/files/{ident}/{part}?n={self._looks}&X={SECRET}" for part in range(len(made.result()))]
            document["download_urls"] = urls or None
        return json_reply(document)

    def content_of(self, request: Request) -> bytes:
        """What a file has that is asked for."""
        _, _, ident, part = request.path.split("/")
        self.served.append((ident, int(part)))
        return self._exports[ident].result()[int(part)]

    def _file(self, request: Request) -> Reply:
        assert not {"circle-token", "authorization", "cookie"} & request.headers.keys(), (
            "files are asked without a token"
        )
        return Reply(200, self.content_of(request), (("Content-Type", "application/gzip"),), self.send)
