"""Pages, and tokens that belong to the query that they were given for."""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from exporter.demo.messages import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

AGGREGATES = 20
RUNS = 250


def page(rows: Sequence[Any], size: int, token: str | None, identity: str) -> dict[str, Any]:
    """One page of rows. Raises Refused (400) when the token is not one of this query's."""
    start = 0 if token is None else _offset(token, identity)
    end = start + size
    return {"items": list(rows[start:end]), "next_page_token": _token(end, identity) if end < len(rows) else None}


def _token(offset: int, identity: str) -> str:
    plain = f"{offset}:{_digest(identity)}".encode()
    return base64.urlsafe_b64encode(plain).decode()


def _offset(token: str, identity: str) -> int:
    try:
        offset, _, digest = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii").partition(":")
        if digest == _digest(identity):
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise Refused(400, "Invalid page-token")


def _digest(identity: str) -> str:
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
