"""A simulated day of hourly polls, on an injected clock: what is asked, beside a poller that asks for everything.

100 projects of 5 workflows of 8 jobs in 2 windows. CircleCI refreshes its data once, after which 30 % of the workflows
have other figures. Both pollers are the exporter's own; the plain one forgets each answer before it polls again.
At each hour what they expose is compared, line by line.

`python -m benchmarks.day` prints the day as JSON, with `--calls` only the exporter's calls.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from benchmarks import fleet
from exporter.formats import deflate
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.failure_log import FailureLog
from exporter.polling.project import kind
from exporter.publishing.store import SnapshotStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.client import Client
    from exporter.config import Project
    from exporter.insights.questions import Question
    from exporter.state import StateStore

PROJECTS, HOURS, RAN = 100, 24, 0.3
REFRESHED_AT = 5.5
"""Hours after the first poll."""
WINDOWS = "windows: [last-7-days, last-24-hours]"
START = 1_790_000_000.0


class Api:
    """Answers questions from what was made up beforehand, and counts them."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.now, self.calls = START, 0
        self._made: dict[str, list[dict[str, Any]]] = {}

    def pages(self, question: Question, *, deadline: float, **_: object) -> Iterator[object]:  # noqa: ARG002  a Client
        """One page."""
        self.calls += 1
        if question.endpoint == "/project/{slug}":
            yield {"name": question.slug, "organization_name": "acme", "vcs_info": {"default_branch": "main"}}
            return
        if question.workflow:
            yield {"items": self._rows(question, question.workflow, fleet.JOBS), "next_page_token": None}
            return
        rows = [row for name in fleet.WORKFLOWS for row in self._rows(question, name, (name,))]
        yield {"items": rows, "next_page_token": None}

    def _rows(self, question: Question, workflow: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Rows that are the same for a workflow and window until it ran and CircleCI has refreshed its data."""
        name = f"{question.slug} {workflow}"
        share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) / 2**32
        refreshed = share < RAN and self.now >= START + REFRESHED_AT * 3600
        key = f"{name} {question.window} {bool(question.workflow)} {refreshed}"
        if key not in self._made:
            chance = random.Random(key)  # noqa: S311  the same in each run
            self._made[key] = [fleet.row(chance, each, START) for each in names]
        return self._made[key]


class Forgetful:
    """A state that keeps nothing."""

    def commit(self, snapshot: Snapshot, changed: Iterable[Question], removed: Iterable[Question]) -> None:
        """Do nothing."""


class Polls:
    """One poller with everything that it shows."""

    def __init__(self, *, plain: bool = False) -> None:
        """Know the projects, and nothing of them; a plain poller knows nothing of them at each poll."""
        self._plain = plain
        self.api, self.store = Api(), SnapshotStore()
        self.projects: tuple[Project, ...] = fleet.projects(PROJECTS, WINDOWS)
        log = configure("error", "logfmt")
        attempts = Attempts(cast("Client", self.api), Clocks(lambda: self.api.now), Telemetry("bench", ()), log)
        self._polls = kind(attempts, self.store, cast("StateStore", Forgetful()), FailureLog(log))
        self.store.publish(map(Snapshot, self.projects), START)

    def round(self, now: float) -> int:
        """Poll each project once; returns the calls."""
        self.api.now, before = now, self.api.calls
        for project in self.projects:
            known = self.store.get(project.slug)
            if known and self._plain:
                self.store.keep(replace(known, parts={}))
            poll = self._polls.begin(project.slug)
            while poll is not None and poll.step():
                pass
        return self.api.calls - before

    def shown(self) -> list[bytes]:
        """Every line that CircleCI's answers make: without the exporter's own."""
        from exporter.insights import own_families  # noqa: PLC0415  a version before may have them elsewhere

        own = tuple(family.name.encode() for family in own_families.OWN)
        lines = b"".join(map(deflate.inflate, self.store.exposition.text.pieces)).splitlines()
        return sorted(line for line in lines if not line.startswith((b"#", *own)))


@dataclass(frozen=True, slots=True)
class Day:
    """Calls by hour of both, the hours in which what they show differs, and the seconds that it took to simulate."""

    plain: list[int]
    ours: list[int]
    different: int
    samples: int
    seconds: float


def simulate() -> Day:
    """Live through the day."""
    began = time.monotonic()
    plain, ours = Polls(plain=True), Polls()
    day = Day([], [], 0, 0, 0.0)
    different = 0
    for hour in range(HOURS):
        now = START + hour * 3600
        day.plain.append(plain.round(now))
        day.ours.append(ours.round(now))
        different += plain.shown() != ours.shown()
    return replace(
        day,
        different=different,
        samples=sum(ours.store.series.values()),
        seconds=time.monotonic() - began,
    )


def calls() -> int:
    """The calls of a day, without the plain poller."""
    only = Polls()
    return sum(only.round(START + hour * 3600) for hour in range(HOURS))


if __name__ == "__main__":
    print(json.dumps(calls() if "--calls" in sys.argv else asdict(simulate())))
