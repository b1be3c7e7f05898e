"""Bodies: read in chunks up to a limit, unpacked by ourselves within the same limit, decoded."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Protocol

from exporter.errors import GarbledError, PayloadError, TooLargeError, TruncatedError

LIMIT = 32 * 1024 * 1024
CHUNK = 64 * 1024
MOST_VALUES = 1_000_000
"""Values in one body: 32 MiB of the smallest would take a gigabyte as Python's objects."""
LONGEST_EXCERPT = 200


class Raw(Protocol):
    """What a response of urllib3 has to offer here."""

    def read(self, amt: int, decode_content: bool) -> bytes:
        """The next bytes, nothing at the end."""


def read(raw: Raw, encoding: str, limit: int = LIMIT) -> bytes:
    """The whole body, unpacked.

    Raises TooLargeError beyond `limit` bytes, PayloadError for an encoding that was not asked for or cannot be
    unpacked, TruncatedError when packed data end early.
    """
    chunks: Iterable[bytes] = iter(lambda: raw.read(CHUNK, decode_content=False), b"")
    encoding = encoding.strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        chunks = unpack(chunks, limit)
    elif encoding not in {"", "identity"}:
        known = re.fullmatch("[a-z-]{1,10}", encoding)
        raise PayloadError(f"the body's encoding is {encoding if known else 'not known'}, which was not asked for")
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def unpack(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Unpack gzip; no piece is larger than one byte beyond `limit`."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        data = chunk
        while data:
            if inflater.eof:  # another member follows
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                yield inflater.decompress(data, limit + 1)
            except zlib.error:
                raise GarbledError("the body is not valid gzip") from None
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise TruncatedError("the gzip body ended early")


def decode(body: bytes) -> object:
    """The JSON value in a body.

    Raises GarbledError for what is no JSON, PayloadError for JSON that cannot be used, TooLargeError when it has
    more values than memory allows.

    NaN and Infinity become floats, lone surrogates stay: rows are read with that in mind.
    """
    if body.count(b",") > MOST_VALUES:
        raise TooLargeError(f"JSON with more than {MOST_VALUES} values")
    kind: type[PayloadError] = PayloadError
    value: object
    try:
        value = json.loads(body)
    except ValueError as error:  # an integer of thousands of digits is the only other one
        kind = GarbledError if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else kind
        problem = f"invalid JSON: {clean(str(error))}"
    except RecursionError:
        problem = "JSON nested too deeply"
    else:
        return value
    raise kind(problem)  # out here, or the error would keep the one that keeps the body


def is_json(content_type: str, body: bytes) -> bool:
    """Whether an answer is an API's rather than a web page of something in between."""
    return "json" in content_type.lower() or body.lstrip()[:1] in {b"{", b"["}


def message(body: bytes, secret: str) -> str:
    """CircleCI's own explanation of an error, `{"message": ...}`, bounded, and without `secret` if it echoes it."""
    try:
        found = decode(body)
    except (PayloadError, TooLargeError):
        return ""
    text = found.get("message") if isinstance(found, dict) else None
    return clean(hidden(text, secret)) if isinstance(text, str) else ""


def hidden(text: str, secret: str) -> str:
    """The text without the secret, and without what basic authentication makes of it, in capitals or not."""
    basic = b64encode(f"{secret}:".encode()).decode().rstrip("=")
    return re.sub(f"(?:{re.escape(secret)}|{re.escape(basic)})=*", "***", text, flags=re.IGNORECASE)


def clean(text: str) -> str:
    """Foreign text as it may stand in a log: printable, one line, at most 200 characters."""
    return "".join(char if char.isprintable() else " " for char in text[:LONGEST_EXCERPT]).strip()
