"""Memory while everything changes all the time: an hour of polls on an injected clock, in a program of its own.

Each minute all projects are polled, every workflow, job and branch has another name than before, and a third of the
projects is exchanged for new ones. Gauges and runs, with a state file, scrapes in each form. It prints minute,
resident memory and series each 5 minutes as JSON.
"""

from __future__ import annotations

import gc
import json
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks import fleet
from benchmarks.programs import rss_of
from exporter.config import parse
from exporter.insights.collectors import NAMES
from exporter.knowledge.snapshots import Snapshot
from exporter.polling import project as gauges
from exporter.polling import runs
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.failure_log import FailureLog
from exporter.publishing.repacking import Repacker
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.client import Client
    from exporter.config import Project
    from exporter.insights.questions import Question

PROJECTS, MINUTES, REPORTED, RUNS = 42, 60, 5, 20
START = 1_790_000_000.0
SETTINGS = (
    "collectors: [workflows, jobs, runs], all_branches: true, interval: 1m, "
    "runs: {interval: 1m, lookback: 1h, sweep: 5m}"
)


class Changing:
    """An API that knows other names at each minute."""

    def __init__(self) -> None:
        """Start at the first minute."""
        self.now, self._chance = START, random.Random(1)  # noqa: S311  the same in each run

    def pages(self, question: Question, *, deadline: float, **_: object) -> Iterator[object]:  # noqa: ARG002  a Client
        """One page."""
        minute = int(self.now - START) // 60
        if question.endpoint == "/project/{slug}":
            vcs = {"default_branch": f"main-{minute}", "provider": "GitHub"}
            yield {"name": question.slug, "organization_name": "acme", "vcs_info": vcs}
            return
        if question.endpoint == "/insights/{slug}/workflows/{workflow}":
            yield {"items": [self._run(minute, number) for number in range(RUNS)], "next_page_token": None}
            return
        names = fleet.JOBS if question.workflow else fleet.WORKFLOWS
        rows = [fleet.row(self._chance, f"{name}-{minute}", self.now) for name in names]
        yield {"items": rows, "next_page_token": None}

    def date(self) -> float:
        """The API's own clock."""
        return self.now

    def _run(self, minute: int, number: int) -> dict[str, object]:
        stopped = self.now - self._chance.random() * 60
        return {
            "id": f"{self._chance.getrandbits(128):032x}",
            "branch": f"feature-{minute}-{number}",
            "duration": 30,
            "created_at": f"{datetime.fromtimestamp(stopped - 30, UTC):%Y-%m-%dT%H:%M:%S}.000Z",
            "stopped_at": f"{datetime.fromtimestamp(stopped, UTC):%Y-%m-%dT%H:%M:%S}.000Z",
            "credits_used": 7,
            "status": "success",
            "is_approval": False,
        }


def projects(minute: int) -> tuple[Project, ...]:
    """Two thirds stay, one third is new at each minute."""
    slugs = [f"gh/acme/stays-{n}" if n % 3 else f"gh/acme/comes-{minute}-{n}" for n in range(PROJECTS)]
    return parse(f"defaults: {{{SETTINGS}}}\nprojects: [{', '.join(slugs)}]").projects


def main() -> None:
    """Live through the hour."""
    api, store, log = Changing(), SnapshotStore(), configure("error", "logfmt")
    telemetry, failures = Telemetry("bench", NAMES), FailureLog(log)
    attempts = Attempts(cast("Client", api), Clocks(lambda: api.now, lambda: api.now), telemetry, log)
    repacker = Repacker(store, log)
    measured: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        state = StateStore.open(
            Path(folder) / "state.db", "https://circleci.com/api/v2", telemetry, log, wall=lambda: api.now
        )
        kinds = [module.kind(attempts, store, state, failures) for module in (gauges, runs)]
        for minute in range(MINUTES + 1):
            api.now = START + 60 * minute
            wanted = projects(minute)
            gone = store.published.keys() - {project.slug for project in wanted}
            store.withdraw(gone)
            state.forget(gone)
            failures.forget(gone)
            store.publish([Snapshot(each) for each in wanted if store.get(each.slug) is None], api.now)
            for each in wanted:
                for kind in kinds:
                    poll = kind.begin(each.slug)
                    while poll is not None and poll.step():
                        pass
            repacker.look(lambda _seconds: False)
            for form in ((False, False), (False, True), (True, False), (True, True)):
                for piece in scrape(store, telemetry, openmetrics=form[0], gzip=form[1])[0]:
                    len(piece)
            if minute % REPORTED == 0:
                gc.collect()
                measured.append((minute, rss_of(), sum(store.series.values())))
        state.close()
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
