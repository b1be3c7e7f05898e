"""Putting answers on the wire, whole or in one of the ways in which networks and servers fail."""

from __future__ import annotations

import socket
import struct
from http.client import responses
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from exporter.demo.messages import Headers, Reply

_MIB = 1024 * 1024
_FOREVER = 3_600.0


class Wire:
    """One client's connection. `stop` ends every wait."""

    def __init__(self, connection: socket.socket, stop: threading.Event) -> None:
        """Write to the connection until stopped."""
        self.connection = connection
        self.stop = stop

    def send(self, data: bytes) -> None:
        """All of it."""
        self.connection.sendall(data)

    def drip(self, data: bytes, interval: float) -> bool:
        """One byte at a time; False when it was stopped before the end."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            if self.stop.wait(interval):
                return False
        return True


def head(reply: Reply, *framing: tuple[str, str]) -> bytes:
    """Status line and headers. Framing is the length, or how it is to be found."""
    headers: Headers = (*reply.headers, *framing)
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _length(size: int) -> tuple[str, str]:
    return ("Content-Length", str(size))


_CHUNKED = ("Transfer-Encoding", "chunked")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, _length(len(reply.body))) + reply.body)
    return True


def _delayed(wire: Wire, reply: Reply) -> bool:
    return not wire.stop.wait(reply.options["seconds"]) and _whole(wire, reply)


def _chunked(wire: Wire, reply: Reply) -> bool:
    half = len(reply.body) // 2
    parts = [part for part in (reply.body[:half], reply.body[half:]) if part]
    wire.send(head(reply, _CHUNKED) + b"".join(map(_chunk, parts)) + b"0\r\n\r\n")
    return True


def _truncated(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, _length(len(reply.body))) + reply.body[: len(reply.body) // 2])
    return False


def _cut_chunk(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, _CHUNKED) + _chunk(reply.body)[: len(reply.body) // 2])
    return False


def _reset(wire: Wire, reply: Reply) -> bool:
    wire.send((head(reply, _length(len(reply.body))) + reply.body)[: reply.options.get("sent", 0)])
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _close(_wire: Wire, _reply: Reply) -> bool:
    return False


def _hang(wire: Wire, reply: Reply) -> bool:
    wire.stop.wait(reply.options.get("seconds", _FOREVER))
    return False


def _drip_body(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, _length(len(reply.body))))
    return wire.drip(reply.body, reply.options.get("interval", 1.0))


def _drip_headers(wire: Wire, reply: Reply) -> bool:
    done = wire.drip(head(reply, _length(len(reply.body))), reply.options.get("interval", 1.0))
    wire.send(reply.body if done else b"")
    return done


def _blocks(mib: int) -> Iterator[bytes]:
    return chain([b'{"items": ["'], repeat(b"x" * _MIB, mib), [b'"], "next_page_token": null}'])


def _oversize(wire: Wire, reply: Reply) -> bool:
    """Send a valid document of so many MiB, without a Content-Length when `chunked`."""
    mib = reply.options.get("mib", 40)
    chunked = reply.options.get("chunked", False)
    wire.send(head(reply, _CHUNKED if chunked else _length(sum(map(len, _blocks(mib))))))
    for block in _blocks(mib):
        wire.send(_chunk(block) if chunked else block)
    wire.send(b"0\r\n\r\n" if chunked else b"")
    return True


# Each sends a reply and says whether the connection can be used again.
DELIVERIES: dict[str, Callable[[Wire, Reply], bool]] = {
    "whole": _whole,
    "delayed": _delayed,
    "chunked": _chunked,
    "truncated": _truncated,
    "cut_chunk": _cut_chunk,
    "reset": _reset,
    "close": _close,
    "hang": _hang,
    "drip_body": _drip_body,
    "drip_headers": _drip_headers,
    "oversize": _oversize,
}


def deliver(wire: Wire, reply: Reply) -> bool:
    """Send the reply its way. False when the connection is to be closed."""
    return DELIVERIES[reply.delivery](wire, reply)
