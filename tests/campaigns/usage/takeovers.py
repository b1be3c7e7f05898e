"""Replicas that read a Usage export from the synthetic CircleCI into one database."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from tests.campaigns.usage.world import truth
from tests.circleci import Circle
from tests.running.program import Exporter
from tests.running.waiting import wait_until
from tests.state.making import opened
from tests.state.postgres.making import end_lease
from tests.usage.making import file, on
from tests.usage.reading import Exporter as Started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.postgres import Address

JOB_RUNS = 12_000
"""More than are written in one transaction, so that a take-over finds some of an export and not all."""
SOME = 7 / 8
"""The share of a file that has more job runs than one transaction."""
LEASE = 120
CONFIGURATION = """
circleci: {{url: "{api}", timeout: 60s}}
state: {{url: "{database}", lease: {lease}s}}
usage: {{organizations: [gh/acme], interval: {interval}}}
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


class Replicas:
    """Replicas on one database, and what any of them has shown of the Usage export, in order."""

    def __init__(self, folder: Path, database: Address) -> None:
        self.folder, self.database = folder, database
        self.circle, self.running = Circle(), ExitStack()
        content, self.truth = export()
        self.circle.usage.contents = lambda _start, _end: [content]
        self.shown: list[dict[str, float]] = []
        self.started: list[Exporter] = []

    def __enter__(self) -> Self:
        self.running.enter_context(self.circle)
        return self

    def __exit__(self, *_: object) -> None:
        self.running.close()

    def under_way(self) -> None:
        """Leave the state of a leader that was ended an hour after it had started an export: whoever leads next looks
        at it at once, and then every ten minutes.
        """
        self.circle.usage.states = ["completed"] * 9
        with Started(self.circle, self.folder / "state.db") as started:
            started.organization.step()
            progress, server = started.organization._progress, started.config.circleci.api_url
        assert progress.export is not None
        old = replace(progress.export, started_at=progress.export.started_at - 3600)
        with opened(self.database, server) as state:
            state.state.usage.write("gh/acme", replace(progress, export=old))

    def start(self, interval: str = "1s", lease: int = LEASE) -> Exporter:
        """Start one more."""
        text = CONFIGURATION.format(api=self.circle.url, database=self.database.url, lease=lease, interval=interval)
        exporter = Exporter(self.folder / f"replica-{len(self.started)}", text, token=self.circle.token)
        self.started.append(self.running.enter_context(exporter))
        wait_until(lambda: exporter.get("/-/ready")[0] == 200, why="it to be ready")
        return exporter

    def pair(self, interval: str = "1s", lease: int = LEASE) -> tuple[Exporter, Exporter]:
        """A leader and a standby."""
        first = self.start(interval, lease)
        wait_until(lambda: leads(first), why="the first to lead")
        return first, self.start(lease=lease)

    def end_lease(self) -> None:
        """Let another lead, since nobody renews it."""
        end_lease(self.database)

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

    def hold_truth(self, exporter: Exporter) -> None:
        """One shows that everything was counted once, and nobody has ever shown more."""
        wait_until(lambda: self.watch(exporter).items() >= self.truth.items(), interval=0.1, why="the truth")
        assert self.stored() == sum(value for name, value in self.truth.items() if "job_runs_total" in name)
        left = {where: content for each in self.started for where, content in each.left_behind().items()}
        for signature in self.circle.usage.signatures:
            assert [where for where, content in left.items() if signature.encode() in content] == []


def leads(exporter: Exporter) -> bool:
    return exporter.get("/-/leader")[0] == 200


def falls(shown: list[dict[str, float]]) -> list[str]:
    """Counters that fell."""
    found, seen = [], dict[str, float]()
    for samples in shown:
        for name, value in samples.items():
            if "_ratio" not in name and "_timestamp_" not in name:
                found += [name] if value < seen.get(name, 0) else []
                seen[name] = value
    return found
