"""Reading the rows of `GET /insights/{slug}/workflows/{workflow}`: one row is one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from math import floor
from typing import TypeVar

from exporter.insights.payloads import Unreadable, moment, number, optional_text, text, timestamp
from exporter.runs.entries import Entry, readable

STATUSES = ("success", "failed", "error", "canceled", "unauthorized")
"""The final statuses of a run that the API documents."""
Time = TypeVar("Time", bound=float | None)
LARGEST = 2**53
"""Durations and credits beyond this are nonsense, and their sum would lose its last digits."""
AHEAD = 86_400.0
"""Seconds after the time by CircleCI's clock: what is dated later is unreadable."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `key` is a digest of its id, `status` nothing until the run has finished.

    Times are Unix seconds; the creation is in whole ones, so that it compares with a start date.
    `approval` marks runs whose duration is a person's. `id` is in lower case, `created` the creation as it was sent.
    """

    key: int
    branch: str
    created_at: int
    status: str = ""
    stopped_at: float | None = None
    duration: float | None = None
    credits: float = 0
    approval: bool = False
    id: str = field(default="", compare=False)
    created: float = field(default=0.0, compare=False)


def read_page(page: object, now: float) -> tuple[list[Run], Counter[str]]:
    """The runs of one page, and the fields that could not be read; `now` is CircleCI's clock, in Unix seconds.

    What has no usable id, branch, creation or status is left out. Raises PayloadError without a list.
    """
    return readable(page, lambda entry: _run(entry, now + AHEAD))


def key_of(identifier: str) -> int:
    """A digest of a run's id as a signed integer of 64 bits, which is what SQLite keeps best.

    Among a million runs of one workflow two share a key with a probability of 3 in 10**8.
    """
    return int.from_bytes(blake2b(identifier.encode(), digest_size=8).digest(), "big", signed=True)


def _run(entry: Entry, latest: float) -> Run:
    identifier = entry.must("id", text).lower()  # UUIDs are the same in any case
    branch = entry.must("branch", optional_text)
    created = entry.must("created_at", _until(latest, moment))
    status = entry.must("status", optional_text)
    stopped_at = entry.may("stopped_at", _until(latest, timestamp))
    return Run(
        key_of(identifier),
        branch,
        floor(created),
        _final(status, stopped_at),
        stopped_at,
        entry.may("duration", _amount),
        entry.may("credits_used", _amount) or 0,
        entry.may("is_approval", _flag) or False,
        identifier,
        created,
    )


def _until(latest: float, read: Callable[[object], Time]) -> Callable[[object], Time]:
    def read_until(value: object) -> Time:
        time = read(value)
        if time is not None and time > latest:
            raise Unreadable
        return time

    return read_until


def _final(status: str, stopped_at: float | None) -> str:
    """The status of a run that has finished, or nothing: an invented one may well be that of a run under way."""
    return status if status in STATUSES or stopped_at is not None else ""


def _amount(value: object) -> float | None:
    """A number that can be added to a counter: one that fell would be no counter."""
    read = number(value)
    if read is not None and not 0 <= read <= LARGEST:
        raise Unreadable
    return read


def _flag(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Unreadable
