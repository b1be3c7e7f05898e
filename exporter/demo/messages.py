"""What comes in over HTTP and what goes out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

API = "/api/v2"
Json = Any
"""What a JSON document may hold."""
Headers = tuple[tuple[str, str], ...]
JSON_TYPE = "application/json; charset=utf-8"


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


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how its bytes are put on the wire (a key of `wire.DELIVERIES`)."""

    status: int = 200
    body: bytes = b""
    headers: Headers = (("Content-Type", JSON_TYPE),)
    delivery: str = "whole"
    options: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str, value: str) -> Reply:
        """Return the same with this header, in place of one of that name."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a request. `at` is Unix seconds of real time, the status 0 where none was sent."""

    method: str
    path: str
    query: str
    status: int
    at: float
    token_ok: bool
    host: str | None
    user_agent: str | None
    header_names: tuple[str, ...]
    fault: str | None = None


def json_reply(document: object, status: int = 200) -> Reply:
    """Answer with a document as JSON."""
    return Reply(status, json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def message(status: int, text: str) -> Reply:
    """Answer with an error as the API words it."""
    return json_reply({"message": text}, status)


class Refused(Exception):  # noqa: N818  an answer, not a fault of ours
    """The request ends in this error answer."""

    def __init__(self, status: int, text: str) -> None:
        """Status and message of the answer."""
        super().__init__(text)
        self.reply = message(status, text)
