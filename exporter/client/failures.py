"""The one place where errors of requests, urllib3, http.client, ssl and sockets become ours."""

from __future__ import annotations

import http.client
import ssl
import zlib

import requests
import urllib3

from exporter.client.body import clean
from exporter.errors import ConnectionFailed, PayloadError, PollError, RedirectError, RequestTimeout, TruncatedError

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
        return clean(f"certificate verify failed: {error.verify_message}")
    said = getattr(error, "strerror", None) or next(iter(error.args), "")
    return clean(str(said) or type(error).__name__)
