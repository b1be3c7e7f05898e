"""Request targets in absolute form, `GET http://host/metrics`, as clients send them to what they take for a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SCHEMES = (b"http", b"https")


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
