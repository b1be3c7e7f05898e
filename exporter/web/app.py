"""The routes, and who may use them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.errors import ConfigError, UnexpectedValue
from exporter.web.headers import SecurityHeaders, from_another_site
from exporter.web.http.bodies import Bodies, BodyRefused
from exporter.web.http.connections import Limits
from exporter.web.http.incidents import Incidents, describe
from exporter.web.logins import Busy
from exporter.web.page.html import Page
from exporter.web.scrape import ExpositionResponse, exposition_response
from exporter.web.settings import WebSettings
from exporter.web.source import Source
from exporter.web.webhooks import PATH as WEBHOOKS
from exporter.web.webhooks import Receiver, Webhooks

HEALTHY, READY, RELOAD, LEADER = "/-/healthy", "/-/ready", "/-/reload", "/-/leader"
SCHEMES = (b"http", b"https")
_STATIC = {"page.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_FOLDER = Path(__file__).parent / "static"


def check_telemetry_path(path: str) -> str:
    """Return the path. Raise ConfigError when the metrics cannot be there."""
    taken = path in (HEALTHY, READY, RELOAD, LEADER, WEBHOOKS) or path.startswith("/static/")
    plain = path.startswith("/") and path.isascii() and path.isprintable() and not set(path) & set(' ?#%{}\\"<>')
    if taken or not plain:
        allowed = f"a path such as /metrics, other than {HEALTHY}, {READY}, {RELOAD}, {LEADER}, {WEBHOOKS} and /static/"
        raise ConfigError((UnexpectedValue("--web.telemetry-path", "", repr(path), allowed),))
    return path


class App:
    """Every route. `pages` renders, `files` reloads, `hints` takes webhooks: none of them may hold up a scrape."""

    def __init__(
        self,
        source: Source,
        page: Page,
        *,
        telemetry_path: str,
        settings: Callable[[], WebSettings],
        limits: Limits,
        incidents: Incidents,
        pages: Executor,
        files: Executor,
        hints: Executor,
        webhooks: Webhooks | None = None,
        leader: Callable[[], bool] | None = None,
    ) -> None:
        self._source, self._page, self._limits = source, page, limits
        self._pages, self._reloads, self._leader = pages, files, leader
        self._reloading, self._bodies = asyncio.Lock(), Bodies()
        self._files = {name: (_FOLDER / name).read_bytes() for name in _STATIC}
        page.static_version = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:12]
        routes = [
            Route(telemetry_path, self._metrics),
            Route(HEALTHY, self._healthy),
            Route(READY, self._ready),
            Route(RELOAD, self._reload, methods=["POST"]),
            *([Route(LEADER, self._leads)] if leader else []),
            *([Route("/", self._overview)] if telemetry_path != "/" else []),
            *(Route(f"/static/{name}", self._static) for name in _STATIC),
        ]
        open_paths = {HEALTHY, READY, LEADER}
        if webhooks:
            routes.append(Receiver(webhooks, self._bodies, hints, incidents).route)
            open_paths.add(WEBHOOKS)  # a signature takes the place of a login
        router = Router(routes, redirect_slashes=False, default=PlainTextResponse("not found\n", 404))
        guarded = _Guard(_Login(router, settings, open_paths), incidents)
        self.asgi: ASGIApp = OriginForm(SecurityHeaders(guarded, lambda: settings().config.headers))

    async def _metrics(self, request: Request) -> ExpositionResponse:
        return exposition_response(self._source, request)

    async def _healthy(self, _request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def _ready(self, _request: Request) -> Response:
        ready = self._source.ready()
        return PlainTextResponse("ready\n" if ready else "not ready yet\n", 200 if ready else 503)

    async def _leads(self, _request: Request) -> Response:
        """Answer load balancers that want the leader alone."""
        leads = self._leader is not None and self._leader()
        return PlainTextResponse("leader\n" if leads else "standby\n", 200 if leads else 503)

    async def _overview(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._pages, self._page.render, dict(request.query_params))
        return Response(body, media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        headers = {"cache-control": "private, max-age=604800, immutable"}
        return Response(self._files[name], headers=headers, media_type=_STATIC[name])

    async def _reload(self, request: Request) -> Response:
        if from_another_site(request.headers):
            return PlainTextResponse("cross-site request rejected\n", 403)
        try:
            async with self._bodies.read(request, self._limits.body_bytes, self._limits.body):
                pass  # read away, so that the connection can go on afterwards
        except BodyRefused as refused:
            return PlainTextResponse(f"{refused.text}\n", refused.status)
        if self._reloading.locked():
            return PlainTextResponse("a reload is already in progress\n", 409)
        async with self._reloading:
            outcome = await asyncio.get_running_loop().run_in_executor(self._reloads, self._source.reload)
        if outcome is None:
            return PlainTextResponse("Lifecycle API is not enabled.\n", 403)
        loaded, text = outcome
        return PlainTextResponse(f"{text}\n", 200 if loaded else 500)


class _Login:
    """Asks for a login before any route but the open ones, also before the answer that a path is unknown."""

    def __init__(self, app: ASGIApp, settings: Callable[[], WebSettings], open_paths: set[str]) -> None:
        self._app, self._settings, self._open_paths = app, settings, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        logins = self._settings().logins
        if logins and scope["path"] not in self._open_paths:
            try:
                if not await logins.verify(Headers(scope=scope).get("authorization", "")):
                    realm = 'Basic realm="CircleCI Insights exporter", charset="UTF-8"'
                    app = PlainTextResponse("login required\n", 401, {"www-authenticate": realm})
            except Busy:
                app = PlainTextResponse("too many logins at once\n", 503, {"retry-after": "1"})
        await app(scope, receive, send)


class _Guard:
    """Turns a defect into a plain 500 and one line in the log."""

    def __init__(self, app: ASGIApp, incidents: Incidents) -> None:
        self._app, self._incidents = app, incidents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001  whatever it is, it ends here
            self._incidents.note("defect", path=scope["path"][:100], error=describe(error))
            if not started:
                await PlainTextResponse("internal error\n", 500)(scope, receive, send)


class OriginForm:
    """Makes every target a path before anything judges it: a server must accept both forms (RFC 9112, 3.2.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, rest = scope["raw_path"].partition(b"://")
        if rest and scheme.lower() in SCHEMES:
            raw = b"/" + rest.partition(b"/")[2]
            scope = {**scope, "raw_path": raw, "path": unquote(raw.decode("ascii"))}
        await self._app(scope, receive, send)
