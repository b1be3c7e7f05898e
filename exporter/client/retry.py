"""Which failure is asked again, and when. Pure."""

from __future__ import annotations

from collections.abc import Callable

from exporter.errors import ConnectionFailed, GarbledError, PollError, RequestTimeout, ServerError, TruncatedError

RETRIES = 3
RETRIED: tuple[type[PollError], ...] = (ConnectionFailed, RequestTimeout, ServerError, TruncatedError, GarbledError)
FIRST, LAST = 0.5, 30.0
MOST_RETRY_AFTER = 300.0


def full_jitter(attempt: int, first: float, last: float, random: Callable[[], float]) -> float:
    """Seconds between `first` and a ceiling of `first` doubled `attempt` times, at most `last`."""
    ceiling = min(last, first * 2.0 ** min(attempt, 64))
    return first + random() * (ceiling - first)


def delay(
    failure: PollError, retry: int, *, stale: bool, retry_after: float | None, random: Callable[[], float]
) -> float | None:
    """Seconds before a failed request's `retry`-th retry (from 1), or None when it is not asked again.

    `stale` says that a kept connection was closed by the server before the request: it can be asked at once.
    A Retry-After is respected up to five minutes.
    """
    if retry > RETRIES or not isinstance(failure, RETRIED):
        return None
    if stale:
        return 0.0
    return max(full_jitter(retry, FIRST, LAST, random), min(retry_after or 0.0, MOST_RETRY_AFTER))
