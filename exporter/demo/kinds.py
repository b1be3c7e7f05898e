"""The table of faults: each turns a good answer into what real servers, proxies and networks make of it."""

from __future__ import annotations

import gzip
import time
import zlib
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING
from uuid import uuid4

from exporter.demo import edits
from exporter.demo.messages import JSON_TYPE, Json, Reply, Request
from exporter.demo.query import PAGE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

_HTML = "text/html; charset=utf-8"
_NUMBER = "items.0.metrics.success_rate"
_NAME = "items.0.name"


def _status(
    _: Reply, *, code: int, body: str = "", content_type: str = JSON_TYPE, headers: dict[str, str] | None = None
) -> Reply:
    return Reply(code, body.encode(), (("Content-Type", content_type), *(headers or {}).items()))


def _throttle(
    _: Reply,
    *,
    retry_after: str | float | None = None,
    date_in: float | None = None,
    body: str = '{"message": "Rate limit exceeded."}',
    content_type: str = JSON_TYPE,
) -> Reply:
    reply = Reply(429, body.encode(), (("Content-Type", content_type),))
    if date_in is not None:
        retry_after = formatdate(time.time() + date_in, usegmt=True)
    return reply if retry_after is None else reply.header("Retry-After", str(retry_after))


def _preset(code: int, body: str, content_type: str = JSON_TYPE) -> Callable[[Reply], Reply]:
    return lambda _: Reply(code, body.encode(), (("Content-Type", content_type),))


def _redirect(_: Reply, *, to: str, code: int = 302) -> Reply:
    return Reply(code, b"", (("Location", to),))


def _body(reply: Reply, *, text: str) -> Reply:
    return replace(reply, body=text.encode("utf-8", "surrogatepass"))


def _headers(reply: Reply, *, headers: dict[str, str]) -> Reply:
    for name, value in headers.items():
        reply = reply.header(name, value)
    return reply


def _rate_headers(reply: Reply, *, remaining: int, limit: int = 300, reset: int = 1, prefix: str = "X-") -> Reply:
    values = {"Limit": limit, "Remaining": remaining, "Reset": reset}
    return _headers(reply, headers={f"{prefix}RateLimit-{name}": str(value) for name, value in values.items()})


def _content_type(reply: Reply, *, value: str) -> Reply:
    return reply.header("Content-Type", value)


def _gzip(reply: Reply) -> Reply:
    return replace(reply, body=gzip.compress(reply.body, 1)).header("Content-Encoding", "gzip")


def _gzip_garbage(reply: Reply) -> Reply:
    return replace(reply, body=b"\x1f\x8b\x08 no deflate data").header("Content-Encoding", "gzip")


def _gzip_bomb(reply: Reply, *, mib: int = 64) -> Reply:
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * (1 << 20)
    packed = b"".join(packer.compress(part) for part in (b"{", *[block] * mib, b"}")) + packer.flush()
    return replace(reply, body=packed).header("Content-Encoding", "gzip")


def _invalid_json(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-1] + b',"items": [,]}')


def _invalid_utf8(reply: Reply) -> Reply:
    return replace(reply, body=reply.body.replace(b'"name": "', b'"name": "\xff\xfe', 1))


def _deep(reply: Reply, *, depth: int = 100_000) -> Reply:
    return replace(reply, body=b'{"items": ' + b"[" * depth + b"]" * depth + b', "next_page_token": null}')


def _not_a_number(reply: Reply, *, path: str = _NUMBER, value: str = "NaN") -> Reply:
    return edits.put_raw(reply, path, value)


def _huge_integer(reply: Reply, *, path: str = "items.0.metrics.total_runs", digits: int = 6_000) -> Reply:
    return edits.put_raw(reply, path, "9" * digits)


def _surrogate(reply: Reply, *, path: str = _NAME) -> Reply:
    return edits.put_raw(reply, path, '"lone \\ud800 surrogate"')


def _put(reply: Reply, *, path: str, value: Json = None) -> Reply:
    return edits.put(reply, path, value)


def _duplicate_rows(reply: Reply, *, path: str = "items") -> Reply:
    def double(container: Json, key: Json) -> None:
        container[key] = [row for row in container[key] for _ in range(2)]

    return edits.edit(reply, path, double)


def _endless_pages(reply: Reply) -> Reply:
    return edits.put(reply, "next_page_token", uuid4().hex)


def _repeated_token(reply: Reply, *, token: str = "again") -> Reply:  # noqa: S107  a page token
    return edits.put(reply, "next_page_token", token)


def _bad_token(reply: Reply, *, value: Json = 7) -> Reply:
    return edits.put(reply, "next_page_token", value)


def _delivered(delivery: str, *options: str) -> Callable[..., Reply]:
    """Make a fault of the wire: see `wire.DELIVERIES` for the options."""

    def fault(reply: Reply, **given: Json) -> Reply:
        if unknown := set(given) - set(options):
            raise TypeError(f"{delivery} takes {options}, not {sorted(unknown)}")
        return replace(reply, delivery=delivery, options=given)

    return fault


def without_page_token(request: Request) -> Request:
    """Ask for the first page instead, so that an invented token is answered."""
    kept = [part for part in request.query.split("&") if part.partition("=")[0] != PAGE_TOKEN.name]
    return replace(request, target=request.path + ("?" if any(kept) else "") + "&".join(kept))


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault: what becomes of the answer, and before it of the request."""

    apply: Callable[..., Reply]
    before: Callable[[Request], Request] | None = None
    replaces: bool = False
    """The answer is the fault's own: neither token nor path is looked at."""


KINDS: dict[str, Kind] = {
    "as_is": Kind(lambda reply: reply),
    # Error answers
    "status": Kind(_status, replaces=True),
    "throttle": Kind(_throttle, replaces=True),
    "bad_request": Kind(_preset(400, '{"message": "Bad request"}'), replaces=True),
    "unauthorized": Kind(_preset(401, '{"message": "Invalid token provided."}'), replaces=True),
    "forbidden": Kind(_preset(403, '{"message": "Permission denied"}'), replaces=True),
    "cdn_block": Kind(_preset(403, "<html><title>Request blocked</title></html>", _HTML), replaces=True),
    "not_found": Kind(_preset(404, '{"message": "Project not found"}'), replaces=True),
    "server_error": Kind(_preset(500, '{"message": "Internal server error."}'), replaces=True),
    "bad_gateway": Kind(_preset(502, "<html><h1>502 Bad Gateway</h1></html>", _HTML), replaces=True),
    "unavailable": Kind(_preset(503, '{"message": "Service unavailable."}'), replaces=True),
    "redirect": Kind(_redirect, replaces=True),
    # Bodies
    "html_200": Kind(_preset(200, "<!doctype html><title>Log in</title>", _HTML), replaces=True),
    "empty": Kind(_preset(200, ""), replaces=True),
    "body": Kind(_body),
    "headers": Kind(_headers),
    "rate_headers": Kind(_rate_headers),
    "content_type": Kind(_content_type),
    "gzip": Kind(_gzip),
    "gzip_garbage": Kind(_gzip_garbage),
    "gzip_bomb": Kind(_gzip_bomb, replaces=True),
    "invalid_json": Kind(_invalid_json),
    "invalid_utf8": Kind(_invalid_utf8),
    "deep": Kind(_deep),
    "nan": Kind(_not_a_number),
    "huge_integer": Kind(_huge_integer),
    "surrogate": Kind(_surrogate),
    "put": Kind(_put),
    "drop": Kind(lambda reply, *, path: edits.drop(reply, path)),
    "missing_items": Kind(lambda reply: edits.drop(reply, "items")),
    "items_object": Kind(lambda reply: edits.put(reply, "items", {"name": "not a list"})),
    "text_number": Kind(lambda reply: edits.put(reply, "items.0.metrics.total_runs", "12")),
    "nameless_row": Kind(lambda reply: edits.drop(reply, _NAME)),
    "row_is_text": Kind(lambda reply: edits.put(reply, "items.0", "text")),
    "duplicate_rows": Kind(_duplicate_rows),
    # Pages
    "endless_pages": Kind(_endless_pages, without_page_token),
    "repeated_token": Kind(_repeated_token, without_page_token),
    "bad_token": Kind(_bad_token),
    # The wire
    "chunked": Kind(_delivered("chunked")),
    "truncated": Kind(_delivered("truncated")),
    "cut_chunk": Kind(_delivered("cut_chunk")),
    "reset": Kind(_delivered("reset", "sent")),
    "close": Kind(_delivered("close")),
    "hang": Kind(_delivered("hang", "seconds")),
    "drip_body": Kind(_delivered("drip_body", "interval")),
    "drip_headers": Kind(_delivered("drip_headers", "interval")),
    "oversize": Kind(_delivered("oversize", "mib", "chunked")),
    "delay": Kind(_delivered("delayed", "seconds")),
}
SILENT = frozenset({"close", "hang", "reset"})
"""Deliveries in which no status is sent."""
