"""Reading the rows of `GET /insights/{slug}/workflows/{workflow}`: one row is one run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import floor
from typing import TYPE_CHECKING, TypeVar

from exporter.insights.payloads import Unreadable, items, number, optional_text, text, timestamp
from exporter.runs.ledger import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    Value = TypeVar("Value")

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
    unread = Counter[str]()
    runs = [_run(row, unread) for row in items(page)]
    believed = [run and _believed(run, now + AHEAD, unread) for run in runs]
    return [run for run in believed if run is not None], unread


def key_of(identifier: str) -> int:
    """A digest of a run's id as a signed integer of 64 bits, which is what SQLite keeps best.

    Among a million runs of one workflow two share a key with a probability of 3 in 10**8.
    """
    return int.from_bytes(blake2b(identifier.encode(), digest_size=8).digest(), "big", signed=True)


def _run(row: object, unread: Counter[str]) -> Run | None:
    if not isinstance(row, dict):
        unread["items"] += 1
        return None

    def read(name: str, how: Callable[[object], Value]) -> Value:
        try:
            return how(row.get(name))
        except Unreadable:
            unread[name] += 1
            raise

    def lenient(name: str, how: Callable[[object], Value | None]) -> Value | None:
        try:
            return read(name, how)
        except Unreadable:
            return None

    try:
        identifier = read("id", text).lower()  # UUIDs are the same in any case
        branch = read("branch", optional_text)
        created = read("created_at", _creation)
        status = read("status", optional_text)
    except Unreadable:
        return None
    stopped_at = lenient("stopped_at", timestamp)
    return Run(
        key_of(identifier),
        branch,
        floor(created),
        _final(status, stopped_at),
        stopped_at,
        lenient("duration", _amount),
        lenient("credits_used", _amount) or 0,
        lenient("is_approval", _flag) or False,
        identifier,
        created,
    )


def _believed(run: Run, latest: float, unread: Counter[str]) -> Run | None:
    """The run, without a stop after `latest`; None where it was created after it."""
    if run.created_at > latest:
        unread["created_at"] += 1
        return None
    if run.stopped_at is not None and run.stopped_at > latest:
        unread["stopped_at"] += 1
        return replace(run, stopped_at=None, status=_final(run.status, None))
    return run


def _final(status: str, stopped_at: float | None) -> str:
    """The status of a run that has finished, or nothing: an invented one may well be that of a run under way."""
    return status if status in STATUSES or stopped_at is not None else ""


def _creation(value: object) -> float:
    moment = timestamp(value)
    if moment is None:
        raise Unreadable
    return moment


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
