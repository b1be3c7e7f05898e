from __future__ import annotations

import json

import pytest

from exporter.client.transport import Answer
from exporter.client.verdict import judge, up
from exporter.errors import (
    BlockedError,
    ClientError,
    ConnectionFailed,
    ForbiddenError,
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

JSON = {"Content-Type": "application/json"}
SAID = json.dumps({"message": "as it said"}).encode()


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
