"""The ways in which networks and servers fail to send an answer."""

from __future__ import annotations

import socket
import struct
from itertools import chain, repeat
from typing import TYPE_CHECKING

from exporter.demo.messages import head, length, whole

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from exporter.demo.messages import Reply, Wire

_MIB = 1024 * 1024
_FOREVER = 3_600.0
_CHUNKED = ("Transfer-Encoding", "chunked")


def _drip(wire: Wire, data: bytes, interval: float) -> bool:
    """Send one byte at a time; False when it was stopped before the end."""
    for index in range(len(data)):
        wire.send(data[index : index + 1])
        if wire.stop.wait(interval):
            return False
    return True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delayed(wire: Wire, reply: Reply, *, seconds: float) -> bool:
    return not wire.stop.wait(seconds) and whole(wire, reply)


def held(wire: Wire, reply: Reply, *, until: threading.Event) -> bool:
    """Send it when somebody says so."""
    while not until.wait(0.05):
        if wire.stop.is_set():
            return False
    return whole(wire, reply)


def _chunked(wire: Wire, reply: Reply) -> bool:
    half = len(reply.body) // 2
    parts = [part for part in (reply.body[:half], reply.body[half:]) if part]
    wire.send(head(reply, _CHUNKED) + b"".join(map(_chunk, parts)) + b"0\r\n\r\n")
    return True


def _truncated(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, length(len(reply.body))) + reply.body[: len(reply.body) // 2])
    return False


def _cut_chunk(wire: Wire, reply: Reply) -> bool:
    wire.send(head(reply, _CHUNKED) + _chunk(reply.body)[: len(reply.body) // 2])
    return False


def _reset(wire: Wire, reply: Reply, *, sent: int = 0) -> bool:
    wire.send((head(reply, length(len(reply.body))) + reply.body)[:sent])
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _close(_wire: Wire, _reply: Reply) -> bool:
    return False


def _hang(wire: Wire, _reply: Reply, *, seconds: float = _FOREVER) -> bool:
    wire.stop.wait(seconds)
    return False


def _drip_body(wire: Wire, reply: Reply, *, interval: float = 1.0) -> bool:
    wire.send(head(reply, length(len(reply.body))))
    return _drip(wire, reply.body, interval)


def _drip_headers(wire: Wire, reply: Reply, *, interval: float = 1.0) -> bool:
    done = _drip(wire, head(reply, length(len(reply.body))), interval)
    wire.send(reply.body if done else b"")
    return done


def _blocks(mib: int) -> Iterator[bytes]:
    return chain([b'{"items": ["'], repeat(b"x" * _MIB, mib), [b'"], "next_page_token": null}'])


def _oversize(wire: Wire, reply: Reply, *, mib: int = 40, chunked: bool = False) -> bool:
    """Send a valid document of so many MiB, without a Content-Length when `chunked`."""
    wire.send(head(reply, _CHUNKED if chunked else length(sum(map(len, _blocks(mib))))))
    for block in _blocks(mib):
        wire.send(_chunk(block) if chunked else block)
    wire.send(b"0\r\n\r\n" if chunked else b"")
    return True


# Each sends a reply and says whether the connection can be used again.
DELIVERIES: dict[str, Callable[..., bool]] = {
    "whole": whole,
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
