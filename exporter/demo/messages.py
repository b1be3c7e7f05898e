"""What comes in over HTTP and what goes out, and how it is put on a connection."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http.client import responses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

API = "/api/v2"
Json = Any
"""What a JSON document may hold."""
Headers = tuple[tuple[str, str], ...]
JSON_TYPE = "application/json; charset=utf-8"


class Wire:
    """One client's connection. `stop` ends every wait."""

    def __init__(self, connection: socket.socket, stop: threading.Event) -> None:
        self.connection = connection
        self.stop = stop

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received; header names are in lower case, the target is raw."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, still percent-encoded."""
        return self.target.partition("?")[2]


def head(reply: Reply, *framing: tuple[str, str]) -> bytes:
    """Status line and headers. Framing is the length, or how it is to be found."""
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in (*reply.headers, *framing)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def length(size: int) -> tuple[str, str]:
    """Frame a body by its length."""
    return ("Content-Length", str(size))


def whole(wire: Wire, reply: Reply) -> bool:
    """Send an answer as it is; the connection can be used again."""
    wire.send(head(reply, length(len(reply.body))) + reply.body)
    return True


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how it is sent: `send` says whether the connection can be used again."""

    status: int = 200
    body: bytes = b""
    headers: Headers = (("Content-Type", JSON_TYPE),)
    send: Callable[[Wire, Reply], bool] = whole

    def deliver(self, wire: Wire) -> bool:
        """Send it its way. False when the connection is to be closed."""
        return self.send(wire, self)

    def header(self, name: str, value: str) -> Reply:
        """Return the same with this header, in place of one of that name."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


def json_reply(document: object, status: int = 200) -> Reply:
    """Answer with a document as JSON."""
    return Reply(status, json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def message(status: int, text: str) -> Reply:
    """Answer with an error as the API words it."""
    return json_reply({"message": text}, status)


class Refused(Exception):  # noqa: N818  an answer, not a fault of ours
    """The request ends in this error answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = message(status, text)
