from __future__ import annotations

import pytest

from exporter.client.retry import delay, full_jitter
from exporter.errors import (
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
    TooLargeError,
    TruncatedError,
    UnauthorizedError,
)


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (5000, 30.0)])
def test_a_backoff_lies_between_its_first_value_and_a_ceiling_that_doubles(attempt: int, ceiling: float) -> None:
    assert full_jitter(attempt, 0.5, 30, lambda: 0.0) == 0.5
    assert full_jitter(attempt, 0.5, 30, lambda: 1.0) == ceiling


@pytest.mark.parametrize("kind", [ConnectionFailed, RequestTimeout, ServerError, TruncatedError, GarbledError])
def test_what_may_pass_is_asked_again_three_times(kind: type[PollError]) -> None:
    delays = [delay(kind(), retry, stale=False, retry_after=None, random=lambda: 1.0) for retry in (1, 2, 3, 4)]
    assert delays == [1.0, 2.0, 4.0, None]


@pytest.mark.parametrize(
    "kind",
    [ClientError, UnauthorizedError, ForbiddenError, NotFoundError, PayloadError, TooLargeError, RedirectError],
)
def test_what_would_be_answered_alike_is_not_asked_again(kind: type[PollError]) -> None:
    assert delay(kind(), 1, stale=False, retry_after=1, random=lambda: 0.0) is None


def test_a_kept_connection_that_was_closed_is_replaced_at_once() -> None:
    assert delay(ConnectionFailed(), 1, stale=True, retry_after=None, random=lambda: 1.0) == 0.0
    assert delay(ConnectionFailed(), 4, stale=True, retry_after=None, random=lambda: 1.0) is None


@pytest.mark.parametrize(("said", "seconds"), [(0.1, 1.0), (7.0, 7.0), (86400.0, 300.0)])
def test_a_retry_after_of_a_server_error_is_respected_up_to_five_minutes(said: float, seconds: float) -> None:
    assert delay(ServerError(), 1, stale=False, retry_after=said, random=lambda: 1.0) == seconds
