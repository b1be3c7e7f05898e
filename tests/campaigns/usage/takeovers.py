"""Replicas that read a Usage export from a fake CircleCI into one database, and files that stop in their middle."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from exporter.demo.messages import Reply, Wire, head, length
from tests.campaigns.usage.world import truth
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until
from tests.usage.fake import SECRET, TOKEN, FakeUsageApi
from tests.usage.making import file, on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.postgres import Address

JOB_RUNS = 12_000
"""More than are written in one transaction, so that a take-over finds some of an export and not all."""
LEASE = 3
CONFIGURATION = """
circleci: {{url: "{api}", timeout: 20s}}
state: {{url: "{database}", lease: {lease}s}}
usage: {{organizations: [gh/acme], interval: 2s}}
"""


@lru_cache(maxsize=1)
def export() -> tuple[bytes, dict[str, float]]:
    """A file with job runs of the last three days, of a few jobs, and what they add up to."""
    days = [time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400 * ago)) for ago in (1, 2, 3)]
    rows = [
        on(
            days[number % 3],
            number + 1,
            JOB_NAME=("test", "lint", "e2e", "deploy")[number % 4],
            JOB_BUILD_STATUS=("success", "failed", "canceled")[number % 5 % 3],
            TOTAL_CREDITS=str(number % 7),
            COMPUTE_CREDITS=str(number % 11),
        )
        for number in range(JOB_RUNS)
    ]
    return file(rows), truth(rows)


class Gate:
    """Stops the first file in its middle until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def send(self, wire: Wire, reply: Reply) -> bool:
        """Send a file, the first one in two parts."""
        middle = len(reply.body) * 7 // 8
        first = not self.reached.is_set()
        wire.send(head(reply, length(len(reply.body))))
        wire.send(reply.body[:middle])
        self.reached.set()
        while first and not self.opened.wait(0.05):
            if wire.stop.is_set():
                return False
        wire.send(reply.body[middle:])
        return True


class Replicas:
    """Replicas on one database, and what any of them has shown of the Usage export, in order."""

    def __init__(self, folder: Path, database: Address) -> None:
        self.folder, self.database = folder, database
        self.api, self.running = FakeUsageApi(time.time), ExitStack()
        content, self.truth = export()
        self.api.files = lambda _start, _end: [content]
        self.shown: list[dict[str, float]] = []
        self.started: list[Exporter] = []

    def __enter__(self) -> Self:
        self.running.enter_context(self.api)
        return self

    def __exit__(self, *_: object) -> None:
        self.running.close()

    def start(self) -> Exporter:
        """Start one more."""
        text = CONFIGURATION.format(api=self.api.url, database=self.database.url, lease=LEASE)
        exporter = Exporter(self.folder / f"replica-{len(self.started)}", text, token=TOKEN)
        self.started.append(self.running.enter_context(exporter))
        wait_until(lambda: exporter.get("/-/ready")[0] == 200)
        return exporter

    def pair(self) -> tuple[Exporter, Exporter]:
        """A leader and a standby."""
        first = self.start()
        wait_until(lambda: first.get("/-/leader")[0] == 200)
        return first, self.start()

    def stored(self) -> int:
        """How many job runs are in the database, counted or not."""
        [(found,)] = self.database.run("SELECT count(*) FROM usage_job")
        return int(found)

    def watch(self, exporter: Exporter) -> dict[str, float]:
        """Scrape one; what it shows is kept for `shown`."""
        values = {name: value for name, value in exporter.scrape().values.items() if name.startswith("circleci_usage_")}
        if values:
            self.shown.append(values)
        return values

    def hold_truth(self, exporter: Exporter, timeout: float = PATIENCE) -> None:
        """One shows that everything was counted once, by one export."""
        wait_until(lambda: self.watch(exporter).items() >= self.truth.items(), timeout, 0.1, why="the truth")
        assert self.stored() == sum(value for name, value in self.truth.items() if "job_runs_total" in name)
        left = {
            where
            for each in self.started
            for where, content in each.left_behind().items()
            if SECRET.encode() in content
        }
        assert left == set()
