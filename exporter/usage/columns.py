"""The columns of a Usage export that are read, and how the text of one becomes a value. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from operator import itemgetter

from exporter.errors import PayloadError
from exporter.insights.payloads import Unreadable

NULL = frozenset({"", r"\N"})
MILLION = 1_000_000
LARGEST = 2**53
"""Credits and seconds beyond this are nonsense."""
KINDS = {
    "compute": "COMPUTE_CREDITS",
    "dlc": "DLC_CREDITS",
    "user": "USER_CREDITS",
    "storage": "STORAGE_CREDITS",
    "network": "NETWORK_CREDITS",
    "lease": "LEASE_CREDITS",
    "lease_overage": "LEASE_OVERAGE_CREDITS",
    "ipranges": "IPRANGES_CREDITS",
}
"""Label `kind`, and the column of each."""
REQUIRED = ("JOB_ID", "JOB_BUILD_STATUS")
NAMES = ("PROJECT_ID", "VCS_NAME", "ORGANIZATION_NAME", "PROJECT_NAME", "WORKFLOW_NAME", "JOB_NAME", "RESOURCE_CLASS")
DATE, TIMES = "JOB_RUN_DATE", ("JOB_RUN_QUEUED_AT", "JOB_RUN_STARTED_AT", "JOB_RUN_STOPPED_AT")
USE = ("MEDIAN_CPU_UTILIZATION_PCT", "MAX_CPU_UTILIZATION_PCT", "MEDIAN_RAM_UTILIZATION_PCT", "MAX_RAM_UTILIZATION_PCT")
SECONDS, TOTAL = "JOB_RUN_SECONDS", "TOTAL_CREDITS"
BEGUN = ("PIPELINE_CREATED_AT", "WORKFLOW_FIRST_JOB_QUEUED_AT")
READ = (*REQUIRED, DATE, *TIMES, SECONDS, *KINDS.values(), TOTAL, *USE, *NAMES, *BEGUN)
RECORD = "record"
"""What is counted of a record that has more or fewer fields than the header."""
FIELDS = (*READ, RECORD)
"""Whatever can be unreadable, or missing."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WHOLE = re.compile(r"[0-9]{1,15}")


def chosen(header: Sequence[str]) -> tuple[Callable[[list[str]], tuple[str, ...]], tuple[str, ...]]:
    """What takes the fields of `READ` out of a record of a file with this header, and the columns that it lacks.

    Fields of a column that the file lacks are null. Raises PayloadError where a run could not be told from another.
    """
    places = {name.strip().upper(): place for place, name in reversed(list(enumerate(header)))}
    missing = tuple(name for name in READ if name not in places)
    if {*missing} & {*REQUIRED}:
        raise PayloadError("a file of the export is no CSV with the columns JOB_ID and JOB_BUILD_STATUS")
    width = len(header)
    take = itemgetter(*[places.get(name, width) for name in READ])
    return (lambda record: take([*record, ""])) if missing else take, missing


def uuid(text: str) -> str | None:
    """A UUID in lower case, so that one id is one in any case; None for all else."""
    return text.lower() if _UUID.fullmatch(text) else None


@lru_cache(maxsize=1 << 15)
def millionths(text: str) -> int:
    """A number that can be added to a counter, in millionths; nothing for null. Raises Unreadable.

    A negative number is unreadable too: a counter that fell would be none.
    """
    if text in NULL:
        return 0
    if _WHOLE.fullmatch(text):
        return int(text) * MILLION
    return round(_number(text, LARGEST) * MILLION)


@lru_cache(maxsize=1 << 12)
def percent(text: str) -> float | None:
    """A share in percent, as it was sent; None for null. Raises Unreadable."""
    return None if text in NULL else _number(text, LARGEST)


@lru_cache(maxsize=1 << 12)
def day(text: str) -> int | None:
    """A date, or a time's date, as the number of its day (`date.toordinal`); None for null. Raises Unreadable."""
    if text in NULL:
        return None
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        found = moment(text)
        return None if found is None else found.toordinal()


def moment(text: str) -> datetime | None:
    """A time in UTC, which is also what one without a zone is in; None for null. Raises Unreadable."""
    if text in NULL:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise Unreadable from None


def _number(text: str, largest: float) -> float:
    try:
        number = float(text)
    except ValueError:
        raise Unreadable from None
    if not math.isfinite(number) or not 0 <= number <= largest or "_" in text:
        raise Unreadable
    return number
