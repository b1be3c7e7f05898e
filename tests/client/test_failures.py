from __future__ import annotations

import builtins
import http.client
import socket
import ssl
import zlib
from inspect import getmembers, isclass

import pytest
import requests
import requests.exceptions
import urllib3
import urllib3.exceptions

from exporter.client.failures import CAUGHT, FOREIGN, describe, root, translate
from exporter.errors import (
    REASONS,
    ConnectionFailed,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    TooLargeError,
    TruncatedError,
)

MODULES = (requests.exceptions, urllib3.exceptions, http.client, ssl, socket, zlib)
HOST = "circleci.example"
NAMES = ("requests", "urllib3", "http.client", "ssl", "zlib")


def defined() -> list[type[Exception]]:
    found = {
        kind
        for module in MODULES
        for _, kind in getmembers(module, isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__.startswith(NAMES)
    }
    found |= {kind for _, kind in getmembers(builtins, isclass) if issubclass(kind, (OSError, UnicodeError))}
    found |= {socket.gaierror, socket.herror}
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def test_there_are_many_classes_to_map() -> None:
    assert len(defined()) > 70


@pytest.mark.parametrize("in_body", [False, True])
@pytest.mark.parametrize("kind", defined(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_of_the_libraries_below_is_caught_and_has_a_reason(kind: type[Exception], in_body: bool) -> None:
    assert issubclass(kind, CAUGHT)
    error = kind.__new__(kind)
    translated = translate(error, in_body=in_body, host=HOST)
    assert isinstance(translated, PollError)
    assert translated.reason in REASONS
    assert translated.reason not in {"internal", "state", "deadline"}


def test_no_class_is_listed_that_is_no_longer_needed() -> None:
    assert set(FOREIGN) <= {*defined(), ValueError}


def test_our_own_errors_stay_as_they_are() -> None:
    error = TooLargeError("large")
    assert translate(error, in_body=True, host=HOST) is error


@pytest.mark.parametrize(
    ("error", "in_body", "kind"),
    [
        (requests.ConnectTimeout(), False, RequestTimeout),
        (requests.ReadTimeout(), False, RequestTimeout),
        (TimeoutError(), False, RequestTimeout),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", TimeoutError())), False,
         RequestTimeout),
        (urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("h"), "/", ""), True, RequestTimeout),
        (ConnectionResetError(104, "Connection reset by peer"), False, ConnectionFailed),
        (ConnectionResetError(104, "Connection reset by peer"), True, TruncatedError),
        (urllib3.exceptions.ProtocolError("Connection broken"), True, TruncatedError),
        (urllib3.exceptions.IncompleteRead(3, 5), True, TruncatedError),
        (http.client.IncompleteRead(b"abc", 5), True, TruncatedError),
        (http.client.BadStatusLine("garbage"), False, ConnectionFailed),
        (urllib3.exceptions.DecodeError(), True, PayloadError),
        (zlib.error(), True, PayloadError),
        (requests.TooManyRedirects(), False, RedirectError),
        (requests.exceptions.InvalidURL("no"), False, ConnectionFailed),
        (UnicodeError("label too long"), False, ConnectionFailed),
    ],
)  # fmt: skip
def test_what_happened_decides_the_reason(error: Exception, in_body: bool, kind: type[PollError]) -> None:
    assert type(translate(error, in_body=in_body, host=HOST)) is kind


def test_the_innermost_cause_is_found_however_it_was_wrapped() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    pool = urllib3.HTTPConnectionPool("circleci.example")
    wrapped = requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/secret-path", refused))
    assert root(wrapped) is refused
    assert str(translate(wrapped, in_body=False, host=HOST)) == "no connection to circleci.example: Connection refused"


def test_causes_in_a_circle_come_to_an_end() -> None:
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    assert root(first) is second


def test_a_failed_verification_says_why() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1)")
    error.verify_message = "unable to get local issuer certificate"
    assert describe(error) == "certificate verify failed: unable to get local issuer certificate"


def test_a_foreign_text_is_cleaned_and_cut() -> None:
    assert (
        describe(OSError("Tunnel connection failed: 407\r\n\x1b[2J" + "x" * 999))
        == ("Tunnel connection failed: 407   [2J" + "x" * 999)[:200]
    )
    assert describe(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    assert describe(http.client.HTTPException()) == "HTTPException"
