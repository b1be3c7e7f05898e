"""What a response's headers say of limits: Retry-After and the rate limit families. Pure.

Retry-After: RFC 9110, section 10.2.3. RateLimit-* and X-RateLimit-*, the latter also with a unit, are what
CircleCI's API developer's guide names; their Reset is seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

SECONDS = {"": 60.0, "-Second": 1.0, "-Minute": 60.0, "-Hour": 3600.0, "-Day": 86400.0}
FAMILIES = (("RateLimit", ""), *(("X-RateLimit", unit) for unit in SECONDS))
NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:[,;].*)?")


@dataclass(frozen=True, slots=True)
class Quota:
    """One rate limit: requests left, requests allowed if said, seconds until it is whole again."""

    remaining: float
    limit: float | None
    reset: float

    @property
    def share(self) -> float:
        """What is left, as a share of a tenth of the limit; of ten requests where the limit is not said."""
        return self.remaining / (10 if self.limit is None else max(self.limit / 10, 1))

    @property
    def nearly_spent(self) -> bool:
        return self.share <= 1

    @property
    def gap(self) -> float:
        """Seconds between requests that make what is left last until the reset."""
        return self.reset / max(self.remaining, 1)


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds to wait by Retry-After, or None where it is absent, unreadable or already over.

    A date is taken relative to the response's own Date, so that a wrong clock on either side does no harm;
    without one relative to `wall`, in seconds since 1970.
    """
    value = headers.get("Retry-After", "")
    seconds = _number(value)
    if seconds is None:
        until = _date(value)
        sent = _date(headers.get("Date", ""))
        seconds = 0.0 if until is None else until - (wall if sent is None else sent)
    return seconds if seconds > 0 else None


def quotas(headers: Mapping[str, str]) -> tuple[Quota, ...]:
    """Every rate limit that the response tells of; those of a family without Remaining are not."""
    found: list[Quota] = []
    if not any("ratelimit" in name.lower() for name in headers):  # most answers tell of none
        return ()
    for family, unit in FAMILIES:
        remaining = _number(headers.get(f"{family}-Remaining{unit}", ""))
        if remaining is not None:
            limit = _number(headers.get(f"{family}-Limit{unit}", ""))
            reset = _number(headers.get(f"{family}-Reset{unit}", ""))
            found.append(Quota(remaining, limit, SECONDS[unit] if reset is None else reset))
    return tuple(found)


def lowest(found: tuple[Quota, ...]) -> Quota | None:
    """The limit that holds: where the families differ, the lower one."""
    return min(found, key=lambda quota: quota.remaining, default=None)


def _number(value: str) -> float | None:
    match = NUMBER.fullmatch(value)
    return float(match[1]) if match else None


def date(headers: Mapping[str, str]) -> float | None:
    """The server's own time of an answer, in Unix seconds; None where it does not say."""
    return _date(headers.get("Date", ""))


@lru_cache(maxsize=16)  # answers of the same second say the same
def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()  # the third form of a date has no zone
    except (ValueError, TypeError, OverflowError):
        return None
