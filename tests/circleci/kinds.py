"""The table of faults: each turns a good answer into what real servers, proxies and networks make of it."""

from __future__ import annotations

import gzip
import time
import zlib
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from exporter.demo.messages import JSON_TYPE, Json, Reply, Request
from exporter.demo.query import PAGE_TOKEN
from tests.circleci import edits
from tests.circleci.deliveries import DELIVERIES

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
    if date_in is not None:  # a date to come is told by real time, and so is that of the answer
        retry_after = formatdate(time.time() + date_in, usegmt=True)
        reply = reply.header("Date", formatdate(time.time(), usegmt=True))
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


def _duplicate_rows(reply: Reply, *, path: str = "items", differ: bool = True) -> Reply:
    def again(row: Json) -> Json:
        if not differ or "metrics" not in row:
            return row
        return {**row, "metrics": {**row["metrics"], "total_runs": row["metrics"]["total_runs"] + 1}}

    def double(container: Json, key: Json) -> None:
        container[key] = [one for row in container[key] for one in (row, again(row))]

    return edits.edit(reply, path, double)


def _endless_pages(reply: Reply) -> Reply:
    return edits.put(reply, "next_page_token", uuid4().hex)


def _repeated_token(reply: Reply, *, token: str = "again") -> Reply:  # noqa: S107  a page token
    return edits.put(reply, "next_page_token", token)


def _bad_token(reply: Reply, *, value: Json = 7) -> Reply:
    return edits.put(reply, "next_page_token", value)


def _made(reply: Reply, *, by: Callable[[Reply], Reply]) -> Reply:
    return by(reply)


def _delivered(delivery: str, *options: str) -> Callable[..., Reply]:
    """Make a fault of the wire: see `DELIVERIES` for the options."""

    def fault(reply: Reply, **given: Json) -> Reply:
        if unknown := set(given) - set(options):
            raise TypeError(f"{delivery} takes {options}, not {sorted(unknown)}")
        return replace(reply, send=partial(DELIVERIES[delivery], **given))

    return fault


def without_page_token(request: Request) -> Request:
    """Ask for the first page instead, so that an invented token is answered."""
    kept = [part for part in request.query.split("&") if part.partition("=")[0] != PAGE_TOKEN.name]
    return replace(request, target=request.path + ("?" if any(kept) else "") + "&".join(kept))


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault: what becomes of the answer, and before it of the request."""

    apply: Callable[..., Reply]
    before: Callable[[Request], Request] | None = None
    replaces: bool = False
    """The answer is the fault's own: neither token nor path is looked at."""
    holds: bool = False
    """The answer is held back until the fault is released."""
    tried: bool = True
    """Whether it is tried on a specimen when it is set."""


KINDS: dict[str, FaultKind] = {
    "as_is": FaultKind(lambda reply: reply),
    "hold": FaultKind(lambda reply: reply, holds=True),
    "made": FaultKind(_made, tried=False),  # by a function of the test, in its process
    # Error answers
    "status": FaultKind(_status, replaces=True),
    "throttle": FaultKind(_throttle, replaces=True),
    "bad_request": FaultKind(_preset(400, '{"message": "Bad request"}'), replaces=True),
    "unauthorized": FaultKind(_preset(401, '{"message": "Invalid token provided."}'), replaces=True),
    "forbidden": FaultKind(_preset(403, '{"message": "Permission denied"}'), replaces=True),
    "cdn_block": FaultKind(_preset(403, "<html><title>Request blocked</title></html>", _HTML), replaces=True),
    "not_found": FaultKind(_preset(404, '{"message": "Project not found"}'), replaces=True),
    "server_error": FaultKind(_preset(500, '{"message": "Internal server error."}'), replaces=True),
    "bad_gateway": FaultKind(_preset(502, "<html><h1>502 Bad Gateway</h1></html>", _HTML), replaces=True),
    "unavailable": FaultKind(_preset(503, '{"message": "Service unavailable."}'), replaces=True),
    "redirect": FaultKind(_redirect, replaces=True),
    # Bodies
    "html_200": FaultKind(_preset(200, "<!doctype html><title>Log in</title>", _HTML), replaces=True),
    "empty": FaultKind(_preset(200, ""), replaces=True),
    "body": FaultKind(_body),
    "headers": FaultKind(_headers),
    "rate_headers": FaultKind(_rate_headers),
    "content_type": FaultKind(_content_type),
    "gzip": FaultKind(_gzip),
    "gzip_garbage": FaultKind(_gzip_garbage),
    "gzip_bomb": FaultKind(_gzip_bomb, replaces=True),
    "invalid_json": FaultKind(_invalid_json),
    "invalid_utf8": FaultKind(_invalid_utf8),
    "deep": FaultKind(_deep),
    "nan": FaultKind(_not_a_number),
    "huge_integer": FaultKind(_huge_integer),
    "surrogate": FaultKind(_surrogate),
    "put": FaultKind(_put),
    "drop": FaultKind(lambda reply, *, path: edits.drop(reply, path)),
    "missing_items": FaultKind(lambda reply: edits.drop(reply, "items")),
    "items_object": FaultKind(lambda reply: edits.put(reply, "items", {"name": "not a list"})),
    "text_number": FaultKind(lambda reply: edits.put(reply, "items.0.metrics.total_runs", "12")),
    "nameless_row": FaultKind(lambda reply: edits.drop(reply, _NAME)),
    "row_is_text": FaultKind(lambda reply: edits.put(reply, "items.0", "text")),
    "duplicate_rows": FaultKind(_duplicate_rows),
    # Pages
    "endless_pages": FaultKind(_endless_pages, without_page_token),
    "repeated_token": FaultKind(_repeated_token, without_page_token),
    "bad_token": FaultKind(_bad_token),
    # The wire
    "chunked": FaultKind(_delivered("chunked")),
    "truncated": FaultKind(_delivered("truncated")),
    "cut_chunk": FaultKind(_delivered("cut_chunk")),
    "reset": FaultKind(_delivered("reset", "sent")),
    "close": FaultKind(_delivered("close")),
    "hang": FaultKind(_delivered("hang", "seconds")),
    "drip_body": FaultKind(_delivered("drip_body", "interval")),
    "drip_headers": FaultKind(_delivered("drip_headers", "interval")),
    "oversize": FaultKind(_delivered("oversize", "mib", "chunked")),
    "delay": FaultKind(_delivered("delayed", "seconds")),
}
SILENT = frozenset({"close", "hang", "reset"})
"""Kinds in which no status is sent."""
