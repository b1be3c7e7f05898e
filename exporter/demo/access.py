"""Whether a request carries the token, in any of the three ways that the API takes."""

from __future__ import annotations

import base64
import binascii
from hmac import compare_digest


def carries(headers: dict[str, str], tokens: frozenset[str]) -> bool:
    """Tell whether a token stands in Circle-Token, or in Authorization as Bearer or as the user name of Basic."""
    given = headers.get("circle-token")
    if given is None:
        given = _authorization(headers.get("authorization", ""))
    return given is not None and any(compare_digest(given.encode(), token.encode()) for token in tokens)


def _authorization(value: str) -> str | None:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            return None
    return None
