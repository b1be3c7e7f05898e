"""Reading request bodies: each within a size and a time, all of them together within a share of memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

MEMORY = 16 * 1024 * 1024
"""Bytes of all bodies together."""


class BodyRefused(Exception):  # noqa: N818  it says what becomes of the request
    """The body is not read: the status and the text to answer with."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(eq=False, slots=True)
class _Body:
    deadline: asyncio.Timeout
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    given_up: bool = False


class Bodies:
    """All bodies that one server holds. Used on the event loop only.

    Beyond the memory allowed, the largest one that is still being read is given up: however many slow senders of
    large bodies there are, a small one gets through.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._held = 0
        self._reading: set[_Body] = set()

    @asynccontextmanager
    async def read(self, request: Request, most: int, seconds: float) -> AsyncIterator[bytes]:
        """Give a whole body of at most so many bytes, read within so many seconds. Raises BodyRefused."""
        check_announced(request, most)
        body = _Body(asyncio.timeout(seconds))
        try:
            yield await self._read(request, body, most)
        finally:
            self._free(body)

    async def _read(self, request: Request, body: _Body, most: int) -> bytes:
        self._reading.add(body)
        try:
            async with body.deadline:
                async for chunk in request.stream():
                    self._add(body, chunk)
                    if body.size > most:
                        raise BodyRefused(413, "request body too large")
        except (TimeoutError, ClientDisconnect):
            pass
        else:
            if not body.given_up:
                return b"".join(body.chunks)
        finally:
            self._reading.remove(body)
        if body.given_up:
            raise BodyRefused(503, "too many large request bodies at once")
        raise BodyRefused(408, "timed out reading the request body")

    def _add(self, body: _Body, chunk: bytes) -> None:
        body.chunks.append(chunk)
        body.size += len(chunk)
        self._held += len(chunk)
        if self._held > self._memory:
            largest = max(self._reading, key=lambda one: one.size)
            largest.given_up = True
            if not largest.deadline.expired():
                largest.deadline.reschedule(asyncio.get_running_loop().time())
            self._free(largest)

    def _free(self, body: _Body) -> None:
        self._held -= body.size
        body.size = 0
        body.chunks.clear()


def check_announced(request: Request, most: int) -> None:
    """Raise BodyRefused for a body that is announced as larger than so many bytes."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > len(str(most)) or int(announced) > most:
        raise BodyRefused(413, "request body too large")
