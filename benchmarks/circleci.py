"""A CircleCI that costs next to nothing, so that whoever asks is what is measured: canned pages over HTTP/1.1.

`python -m benchmarks.circleci PORT` answers every project of the fleet with pages of real size. With `--restless`
each answer differs from the one before. `GET /requests` says how many there were.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import urllib.request

from benchmarks import fleet

VARIANTS = 64


def answered(body: object) -> bytes:
    """A whole response."""
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


class Pages:
    """The answers by kind of endpoint, ready to send."""

    def __init__(self, *, restless: bool) -> None:
        """Make each of them once."""
        chance = random.Random(1)  # noqa: S311  the same pages in each run
        now = time.time()
        self.requests = 0
        self._variants = VARIANTS if restless else 1
        self._jobs = [answered(fleet.answer(chance, fleet.JOBS, now)) for _ in range(self._variants)]
        self._workflows = [answered(fleet.answer(chance, fleet.WORKFLOWS, now)) for _ in range(self._variants)]
        self._project = answered(
            {
                "name": "service",
                "organization_name": "acme",
                "vcs_info": {"default_branch": "main", "provider": "GitHub"},
            }
        )

    def answer(self, target: bytes) -> bytes:
        """The answer to a path and query."""
        if target == b"/requests":
            return answered({"requests": self.requests})
        self.requests += 1
        path = target.partition(b"?")[0]
        if path.endswith(b"/jobs"):
            return self._jobs[self.requests % self._variants]
        return self._workflows[self.requests % self._variants] if path.endswith(b"/workflows") else self._project


class Connection(asyncio.Protocol):
    """One client: it asks one thing at a time."""

    def __init__(self, pages: Pages) -> None:
        """Answer from these pages."""
        self._pages, self._read = pages, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request whose header has ended."""
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            assert isinstance(self._transport, asyncio.WriteTransport)  # noqa: S101  it is a TCP connection
            self._transport.write(self._pages.answer(head.split(b" ", 2)[1]))


def asked(url: str) -> int:
    """How many requests one of these has answered."""
    with urllib.request.urlopen(f"{url}/requests", timeout=10) as answer:  # noqa: S310  loopback
        return int(json.load(answer)["requests"])


async def serve(port: int, *, restless: bool) -> None:
    """Answer until the process is ended."""
    pages = Pages(restless=restless)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pages), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), restless="--restless" in sys.argv))
