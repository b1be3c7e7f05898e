"""Points in time as the API writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def written(at: float) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-07-26T23:46:25.970Z."""
    moment = datetime.fromtimestamp(round(at * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def whole_seconds(at: float) -> str:
    """RFC 3339 in UTC, cut to seconds, as workflows and jobs have it: 2026-07-26T23:46:25Z."""
    return f"{datetime.fromtimestamp(at // 1, UTC):%Y-%m-%dT%H:%M:%S}Z"


def read(text: str) -> float:
    """Unix seconds of an RFC 3339 time or a bare date (its midnight in UTC). Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
