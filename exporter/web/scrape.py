"""The answer to a scrape: the published pieces, written as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from exporter.web.negotiation import OPENMETRICS_TYPE, TEXT_TYPE, wants_gzip, wants_openmetrics
from exporter.web.source import Source

# One write. Small pieces are joined up to it and large ones cut, so a slow reader holds this much and no whole body.
CHUNK = 128 * 1024


class ExpositionResponse:
    """An ASGI answer of shared pieces. Each write waits for the client: a body of any size takes a chunk of memory."""

    def __init__(self, pieces: Sequence[bytes], length: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._pieces = pieces
        self._headers = [*headers, (b"content-length", str(length).encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        if scope["method"] != "HEAD":
            for chunk in chunks(self._pieces):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def exposition_response(source: Source, request: Request) -> ExpositionResponse:
    """Choose format and coding by the request's headers, and answer what is published."""
    openmetrics = wants_openmetrics(",".join(request.headers.getlist("accept")))
    gzip = wants_gzip(",".join(request.headers.getlist("accept-encoding")))
    pieces, length = source.exposition(openmetrics=openmetrics, gzip=gzip)
    headers = [
        (b"content-type", (OPENMETRICS_TYPE if openmetrics else TEXT_TYPE).encode()),
        (b"vary", b"Accept, Accept-Encoding"),
    ]
    if gzip:
        headers.append((b"content-encoding", b"gzip"))
    return ExpositionResponse(pieces, length, headers)


def chunks(pieces: Sequence[bytes], size: int = CHUNK) -> Iterator[bytes | memoryview]:
    """Yield the pieces' bytes in writes of at most `size`, of nearly that where the pieces are smaller."""
    small: list[bytes] = []
    waiting = 0
    for piece in pieces:
        if small and waiting + len(piece) > size:
            yield b"".join(small)
            small, waiting = [], 0
        if len(piece) <= size:
            small.append(piece)
            waiting += len(piece)
            continue
        view = memoryview(piece)
        for start in range(0, len(piece), size):
            yield view[start : start + size]
    if small:
        yield b"".join(small)
