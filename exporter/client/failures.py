"""What a failure is, in our words: of requests, urllib3, ssl and sockets, or of a status; and which is asked again."""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import requests
import urllib3

from exporter.client import body
from exporter.client.pace import full_jitter
from exporter.errors import (
    BlockedError,
    ClientError,
    ConnectionFailed,
    ForbiddenError,
    GarbledError,
    NotFoundError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    ServerError,
    ThrottledError,
    TruncatedError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from exporter.client.transport import Answer

FOREIGN: tuple[type[Exception], ...] = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    zlib.error,
    ValueError,
)
"""What a request can raise beside PollError and Stopped; every other class that they define is a warning."""
CAUGHT: tuple[type[Exception], ...] = (PollError, *FOREIGN)

TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
TRUNCATED = (
    http.client.IncompleteRead,
    urllib3.exceptions.IncompleteRead,
    urllib3.exceptions.InvalidChunkLength,
    requests.exceptions.ChunkedEncodingError,
)
UNREADABLE = (
    zlib.error,
    urllib3.exceptions.DecodeError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.InvalidJSONError,
)
REDIRECTS = (requests.TooManyRedirects,)
BROKEN = (urllib3.exceptions.ProtocolError, http.client.HTTPException, OSError)

OWN_CLASS: dict[int, type[PollError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    429: ThrottledError,
}
CLASSES: dict[int, type[PollError]] = {1: PayloadError, 3: RedirectError, 4: ClientError}
NOT_UP = (UnauthorizedError, ServerError, RedirectError, BlockedError, TruncatedError, RequestTimeout)
RETRIES = 3
RETRIED: tuple[type[PollError], ...] = (ConnectionFailed, RequestTimeout, ServerError, TruncatedError, GarbledError)
FIRST, LAST = 0.5, 30.0
MOST_RETRY_AFTER = 300.0


def translate(error: Exception, *, in_body: bool, host: str) -> PollError:
    """Our error for a foreign one; `in_body` says that the head of the answer had come, `host` was asked."""
    if isinstance(error, PollError):
        return error
    cause = root(error)
    if isinstance(error, TIMEOUTS) or isinstance(cause, TimeoutError):
        return RequestTimeout(f"no answer from {host} in time")
    if isinstance(error, UNREADABLE):
        return PayloadError("the body cannot be read")
    if isinstance(error, TRUNCATED) or (in_body and isinstance(error, BROKEN)):
        return TruncatedError("the body ended early")
    if isinstance(error, REDIRECTS):
        return RedirectError("unexpected redirect")
    return ConnectionFailed(f"no connection to {host}: {describe(cause)}")


def root(error: BaseException) -> BaseException:
    """The innermost error that was wrapped, whichever way it was; one of ours was only being handled meanwhile."""
    seen = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        candidates = (inner.__cause__, getattr(inner, "reason", None), *reversed(inner.args), inner.__context__)
        foreign = (each for each in candidates if not isinstance(each, PollError))
        inner = next((found for found in foreign if isinstance(found, BaseException)), None)
    return seen[-1]


def describe(error: BaseException) -> str:
    """What went wrong, in the words of the system or of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.args:
        return body.clean(f"certificate verify failed: {error.verify_message}")
    said = getattr(error, "strerror", None) or next(iter(error.args), "")
    return body.clean(str(said) or type(error).__name__)


def judge(answer: Answer, secret: str) -> PollError | None:
    """The error that an answer stands for, or None for one whose body can be read.

    Its text has CircleCI's explanation, without `secret` if that is echoed in it.
    """
    status = answer.status
    if answer.failure is not None or status is None or 200 <= status < 300:  # noqa: PLR2004  success
        return answer.failure
    kind = OWN_CLASS.get(status) or CLASSES.get(status // 100, ServerError)
    if kind is ForbiddenError and not from_api(answer):
        return BlockedError("HTTP 403 that is not JSON: a content delivery network may be blocking this address")
    said = body.message(answer.body, secret)
    return kind(f"HTTP {status}: {said}" if said else f"HTTP {status}")


def up(answer: Answer, failure: PollError | None) -> bool | None:
    """Whether the API answered and took the token; None where a refusal for its rate tells nothing of that."""
    if isinstance(failure, ThrottledError):
        return None
    return from_api(answer) and not isinstance(failure, NOT_UP)


def from_api(answer: Answer) -> bool:
    """Whether an answer came from the API rather than from something on the way to it."""
    return answer.status is not None and body.is_json(answer.headers.get("Content-Type", ""), answer.body)


def delay(failure: PollError, retry: int, *, stale: bool, random: Callable[[], float]) -> float | None:
    """Seconds before a failed request's `retry`-th retry (from 1), or None when it is not asked again.

    `stale` says that a kept connection was closed by the server before the request: it can be asked at once.
    A Retry-After is respected up to five minutes.
    """
    if retry > RETRIES or not isinstance(failure, RETRIED):
        return None
    if stale:
        return 0.0
    return max(full_jitter(retry, FIRST, LAST, random), min(failure.retry_after or 0.0, MOST_RETRY_AFTER))
