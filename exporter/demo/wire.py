"""Putting answers on a connection."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import threading

    from exporter.demo.messages import Headers, Reply


class Wire:
    """One client's connection. `stop` ends every wait."""

    def __init__(self, connection: socket.socket, stop: threading.Event) -> None:
        """Write to the connection until stopped."""
        self.connection = connection
        self.stop = stop

    def send(self, data: bytes) -> None:
        """All of it."""
        self.connection.sendall(data)


def head(reply: Reply, *framing: tuple[str, str]) -> bytes:
    """Status line and headers. Framing is the length, or how it is to be found."""
    headers: Headers = (*reply.headers, *framing)
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def length(size: int) -> tuple[str, str]:
    """Frame a body by its length."""
    return ("Content-Length", str(size))


def whole(wire: Wire, reply: Reply) -> bool:
    """Send an answer as it is; the connection can be used again."""
    wire.send(head(reply, length(len(reply.body))) + reply.body)
    return True
