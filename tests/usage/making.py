"""Rows and files of Usage exports, as tests need them."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from exporter.demo.usage.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TODAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0
YESTERDAY = "2026-11-24"
ORGANIZATION_ID = "0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10"
PROJECT_ID = "7d2f6b84-1c3e-4a55-8f90-6e5d4c3b2a19"
NULL = r"\N"
WHOLE = {
    "ORGANIZATION_ID": ORGANIZATION_ID,
    "ORGANIZATION_NAME": "acme",
    "PROJECT_ID": PROJECT_ID,
    "PROJECT_NAME": "shop",
    "VCS_NAME": "GitHub",
    "WORKFLOW_NAME": "build",
    "JOB_NAME": "test",
    "JOB_RUN_DATE": YESTERDAY,
    "JOB_RUN_QUEUED_AT": f"{YESTERDAY} 09:00:01.420",
    "JOB_RUN_STARTED_AT": f"{YESTERDAY} 09:00:07.900",
    "JOB_RUN_STOPPED_AT": f"{YESTERDAY} 09:02:40.100",
    "JOB_BUILD_STATUS": "success",
    "RESOURCE_CLASS": "medium",
    "JOB_RUN_SECONDS": "152",
    "MEDIAN_CPU_UTILIZATION_PCT": "41.5",
    "MAX_CPU_UTILIZATION_PCT": "97.2",
    "MEDIAN_RAM_UTILIZATION_PCT": "22.0",
    "MAX_RAM_UTILIZATION_PCT": "35.1",
    "COMPUTE_CREDITS": "51",
    "TOTAL_CREDITS": "51",
    **dict.fromkeys(
        (f"{kind}_CREDITS" for kind in ("DLC", "USER", "STORAGE", "NETWORK", "LEASE", "LEASE_OVERAGE", "IPRANGES")), "0"
    ),
}
Row = dict[str, str]


def job_id(number: int) -> str:
    """A UUID of one's own for each number."""
    return str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))


def row(number: int = 1, **columns: str) -> Row:
    """One row, as it is sent; the rest is null."""
    return {**dict.fromkeys(COLUMNS, NULL), **WHOLE, "JOB_ID": job_id(number), **columns}


def on(day: str, number: int = 1, **columns: str) -> Row:
    """One row of another day."""
    times = {
        f"JOB_RUN_{what}_AT": f"{day} {WHOLE[f'JOB_RUN_{what}_AT'][11:]}" for what in ("QUEUED", "STARTED", "STOPPED")
    }
    return row(number, JOB_RUN_DATE=day, **{**times, **columns})


def csv_text(rows: Iterable[Row], columns: Sequence[str] = COLUMNS, *, quoted: bool = False, end: str = "\n") -> str:
    """A file's text with its header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([each.get(name.upper(), "") for name in columns] for each in rows)
    return text.getvalue()


def file(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> bytes:
    """A file as it is downloaded."""
    return gzip.compress(csv_text(rows, columns).encode())
