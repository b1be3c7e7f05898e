"""The days of Usage exports in a rehearsed past, read on the clock of the synthetic CircleCI."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.usage.reading import Exporter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.circleci import Circle

READ_AGO = (15, 11, 8, 7, 6, 5, 4, 3, 2, 1)
"""Days ago at which usage is read: each of the last week, and before it what makes two whole weeks."""
FIRST_DAYS = 3
DAY = 86_400
MOST_STEPS = 1000
COUNTER = re.compile(r"^(circleci_usage_\w+(?:_total|_bucket|_sum|_count)\{.*\}) \S+$", re.MULTILINE)
NEWEST = re.compile(r"^(circleci_usage_day_timestamp_seconds\{.*\}) (\S+)$", re.MULTILINE)
SHOWN = re.compile(r"^circleci_usage_.*\n", re.MULTILINE)
RUNS = re.compile(r'^circleci_usage_job_runs_total\{.*project="([^"]*)".*\} (\S+)$', re.MULTILINE)


def usage_of(text: str) -> str:
    """The sample lines of usage in an exposition."""
    return "".join(SHOWN.findall(text))


class UsagePast:
    """What an exporter shows of usage, one day after the other."""

    def __init__(self, circle: Circle, folder: Path) -> None:
        self.text = ""
        """The newest sample lines of usage."""
        slugs, state = sorted(circle.organization.roster.owners()), folder / "usage.db"
        self._exporter = Exporter(circle, state, interval="1h", slugs=slugs)

    def read_a_day(self) -> str:
        """Read what is over by the clock; gives the new series at 0, as an exporter shows them first."""
        before, first = set(COUNTER.findall(self.text)), not self.text
        for _ in range(MOST_STEPS):
            if text := self._complete():
                break
            for organization in self._exporter.organizations:
                organization.step()
            self._exporter.clock.skip(min(each.wait for each in self._exporter.organizations))
        else:
            pytest.fail(f"a day of usage is not read: {self._exporter.log.told()}")
        self.text = text
        zeros = "".join(f"{series} 0\n" for series in COUNTER.findall(self.text) if series not in before)
        days = (f"{series} {float(day) - FIRST_DAYS * DAY}\n" for series, day in NEWEST.findall(self.text))
        return zeros + "".join(days if first else ())

    def close(self) -> None:
        self._exporter.__exit__()

    def _complete(self) -> str:
        """The sample lines once yesterday was read of every organization."""
        text = self._exporter.text()
        yesterday = (self._exporter.clock.wall() // DAY - 1) * DAY
        days = [float(day) for _, day in NEWEST.findall(text)]
        read = len(days) == len(self._exporter.organizations) and min(days) == yesterday
        return usage_of(text) + compared(text) if read else ""


def compared(text: str) -> str:
    """What would be shown of the newest day, had the pipelines of its projects been watched by the same exporter."""
    runs = Counter[str]()
    for project, count in RUNS.findall(text):
        runs[project] += round(float(count) / FIRST_DAYS)
    shown = [
        f'circleci_exporter_reconciled_job_runs{{project="{project}",result="{result}"}} {number}\n'
        for project, both in runs.items()
        for result, number in (("both", both), ("export_only", 0), ("here_only", both // 500))
    ]
    return "".join(shown)
