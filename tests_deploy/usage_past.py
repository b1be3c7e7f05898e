"""The days of Usage exports in a rehearsed past: an exporter of its own is started each time that some are read."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.waiting import wait_until
from tests_deploy.processes import fetch, free_port, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.circleci import Circle

READ_AGO = (15, 11, 8, 6, 5, 4, 3, 2, 1)
"""Days ago at which usage is read: as many exports as an exporter starts in an hour, and two whole weeks of days."""
FIRST_DAYS = 3
DAY = 86_400
UNTIL_READY = 10.0
CONFIGURATION = """
circleci: {{url: "{url}"}}
state: {{path: "{state}"}}
usage: {{organizations: [{organizations}], interval: 1s}}
"""
COUNTER = re.compile(r"^(circleci_usage_\w+(?:_total|_bucket|_sum|_count)\{.*\}) \S+$", re.MULTILINE)
NEWEST = re.compile(r"^(circleci_usage_day_timestamp_seconds\{.*\}) (\S+)$", re.MULTILINE)
SHOWN = re.compile(r"^circleci_usage_.*\n", re.MULTILINE)


def usage_of(text: str) -> str:
    """The sample lines of usage in an exposition."""
    return "".join(SHOWN.findall(text))


@dataclass
class UsagePast:
    """What an exporter shows of usage, one day after the other."""

    circle: Circle
    folder: Path
    text: str = ""
    """The newest sample lines of usage."""

    def read_a_day(self) -> str:
        """Read what is over by the clock; gives the new series at 0, as an exporter shows them first."""
        before, first = set(COUNTER.findall(self.text)), not self.text
        address = f"127.0.0.1:{free_port()}"
        command: list[str | Path] = [sys.executable, "-m", "exporter", "run", "--config.file", self._configuration()]
        command += ["--web.listen-address", address]
        log = self.folder / "usage.log"
        environment = {**os.environ, "CIRCLECI_TOKEN": self.circle.token}
        with running(command, f"http://{address}/-/ready", log, environment):
            wait_until(partial(self._started, log), interval=0.05, why="exports that are started")
            # The clock almost stands still, and then no export gets ready.
            self.circle.clock.advance(UNTIL_READY)
            self.text = wait_until(partial(self._complete, address), 90, 0.1, why="a day of usage")
        zeros = "".join(f"{series} 0\n" for series in COUNTER.findall(self.text) if series not in before)
        days = (f"{series} {float(day) - FIRST_DAYS * DAY}\n" for series, day in NEWEST.findall(self.text))
        return zeros + "".join(days if first else ())

    def _organizations(self) -> list[str]:
        return sorted(self.circle.organization.roster.owners())

    def _configuration(self) -> Path:
        path = self.folder / "usage.yaml"
        organizations = ", ".join(f'"{slug}"' for slug in self._organizations())
        settings = {"url": self.circle.url, "state": self.folder / "usage.db", "organizations": organizations}
        path.write_text(CONFIGURATION.format(**settings), encoding="utf-8")
        return path

    def _started(self, log: Path) -> bool:
        return log.read_text(encoding="utf-8").count("Usage export started") == len(self._organizations())

    def _complete(self, address: str) -> str:
        """The sample lines once yesterday was read of every organization."""
        text = fetch(f"http://{address}/metrics").decode()
        yesterday = (self.circle.clock.now() // DAY - 1) * DAY
        days = [float(day) for _, day in NEWEST.findall(text)]
        read = len(days) == len(self._organizations()) and min(days) == yesterday
        return usage_of(text) if read else ""
