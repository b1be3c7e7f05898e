"""Security headers, and whether a request that changes something may come from where it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page has a style sheet and an icon of its own, and a form that leads back to it. Nothing else is ever needed.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

DEFAULTS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    # A route whose answer may be kept says so itself.
    "cache-control": "no-store",
}


class SecurityHeaders:
    """Puts the security headers on each answer, those of the web configuration file before the defaults."""

    def __init__(self, app: ASGIApp, configured: Callable[[], Mapping[str, str]]) -> None:
        self._app, self._configured = app, configured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = merged(message.get("headers", []), self._configured())
            await send(message)

        await self._app(scope, receive, send_with_headers)


def merged(own: list[tuple[bytes, bytes]], configured: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Add the headers that an answer has not set itself. A configured value that is empty removes the default."""
    names = {name for name, _ in own}
    extra = {**DEFAULTS, **{name.lower(): value for name, value in configured.items()}}
    return own + [
        (name.encode(), value.encode("latin-1"))
        for name, value in extra.items()
        if value and name.encode() not in names
    ]


def from_another_site(headers: Headers) -> bool:
    """Say whether a browser sent this for a page of another site.

    Browsers say so themselves (https://www.w3.org/TR/fetch-metadata/); older ones send at least an Origin. A client
    that sends neither is no browser, and no page drives it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True
