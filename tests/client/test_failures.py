from __future__ import annotations

import builtins
import http.client
import json
import socket
import ssl
import zlib
from inspect import getmembers, isclass

import pytest
import requests
import requests.exceptions
import urllib3
import urllib3.exceptions

from exporter.client.failures import CAUGHT, FOREIGN, delay, describe, judge, root, translate, up
from exporter.client.transport import Answer
from exporter.errors import (
    REASONS,
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
    TooLargeError,
    TruncatedError,
    UnauthorizedError,
)

MODULES = (requests.exceptions, urllib3.exceptions, http.client, ssl, socket, zlib)
HOST = "circleci.example"
NAMES = ("requests", "urllib3", "http.client", "ssl", "zlib")
JSON = {"Content-Type": "application/json"}
SAID = json.dumps({"message": "as it said"}).encode()


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


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (103, PayloadError),
        (300, RedirectError),
        (302, RedirectError),
        (304, RedirectError),
        (308, RedirectError),
        (400, ClientError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (410, NotFoundError),
        (418, ClientError),
        (429, ThrottledError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (999, ServerError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[PollError]) -> None:
    error = judge(Answer(status, JSON, SAID), "token")
    assert type(error) is kind
    assert str(error) == f"HTTP {status}: as it said"


@pytest.mark.parametrize("status", [200, 201, 206])
def test_a_success_is_no_error(status: int) -> None:
    assert judge(Answer(status, JSON, b"{}"), "token") is None


def test_a_403_without_json_is_a_block() -> None:
    error = judge(Answer(403, {"Content-Type": "text/html"}, b"<h1>Request blocked</h1>"), "token")
    assert type(error) is BlockedError
    assert "Request blocked" not in str(error)


def test_an_error_without_an_explanation_is_its_status() -> None:
    assert str(judge(Answer(404, {}, b"<html>token</html>"), "token")) == "HTTP 404"


def test_an_echoed_token_is_not_repeated() -> None:
    body = json.dumps({"message": "bad token s3cret"}).encode()
    assert str(judge(Answer(401, JSON, body), "s3cret")) == "HTTP 401: bad token ***"


def test_what_broke_on_the_way_stays_what_it_was() -> None:
    failure = TruncatedError("early")
    assert judge(Answer(200, JSON, failure=failure), "token") is failure
    assert judge(Answer(None, failure=failure), "token") is failure


@pytest.mark.parametrize(
    ("answer", "failure", "state"),
    [
        (Answer(200, JSON, b"{}"), None, True),
        (Answer(200, JSON, b"oops"), None, True),
        (Answer(200, {"Content-Type": "text/html"}, b"<html>"), None, False),
        (Answer(400, JSON, SAID), ClientError(), True),
        (Answer(403, JSON, SAID), ForbiddenError(), True),
        (Answer(404, JSON, SAID), NotFoundError(), True),
        (Answer(404, {}, b"<html>"), NotFoundError(), False),
        (Answer(200, JSON), TooLargeError(), True),
        (Answer(401, JSON, SAID), UnauthorizedError(), False),
        (Answer(403, {}, b"<html>"), BlockedError(), False),
        (Answer(302, JSON, SAID), RedirectError(), False),
        (Answer(500, JSON, SAID), ServerError(), False),
        (Answer(200, JSON), TruncatedError(), False),
        (Answer(200, JSON), RequestTimeout(), False),
        (Answer(None), ConnectionFailed(), False),
        (Answer(429, JSON, SAID), ThrottledError(), None),
    ],
)
def test_the_api_is_up_when_it_answered_itself_and_took_the_token(
    answer: Answer, failure: PollError | None, state: bool | None
) -> None:
    assert up(answer, failure) is state


@pytest.mark.parametrize("kind", [ConnectionFailed, RequestTimeout, ServerError, TruncatedError, GarbledError])
def test_what_may_pass_is_asked_again_three_times(kind: type[PollError]) -> None:
    delays = [delay(kind(), retry, stale=False, random=lambda: 1.0) for retry in (1, 2, 3, 4)]
    assert delays == [1.0, 2.0, 4.0, None]


@pytest.mark.parametrize(
    "kind",
    [ClientError, UnauthorizedError, ForbiddenError, NotFoundError, PayloadError, TooLargeError, RedirectError],
)
def test_what_would_be_answered_alike_is_not_asked_again(kind: type[PollError]) -> None:
    assert delay(kind(), 1, stale=False, random=lambda: 0.0) is None


def test_a_kept_connection_that_was_closed_is_replaced_at_once() -> None:
    assert delay(ConnectionFailed(), 1, stale=True, random=lambda: 1.0) == 0.0
    assert delay(ConnectionFailed(), 4, stale=True, random=lambda: 1.0) is None


@pytest.mark.parametrize(("said", "seconds"), [(0.1, 1.0), (7.0, 7.0), (86400.0, 300.0)])
def test_a_retry_after_of_a_server_error_is_respected_up_to_five_minutes(said: float, seconds: float) -> None:
    failure = ServerError()
    failure.retry_after = said
    assert delay(failure, 1, stale=False, random=lambda: 1.0) == seconds
