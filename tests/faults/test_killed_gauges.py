"""Gauges over kills: a start shows what the process before has shown, whatever figures and nulls had changed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.polling.attempt import Clocks
from exporter.process.fixed import Options
from exporter.process.term import Term
from tests.circleci import Circle
from tests.circleci.fleet import fleet
from tests.faults.campaign import slug_of
from tests.running.engine import NOON
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.polling.kind import Poll
    from exporter.system.logs import Logger

SLUGS = [slug_of(number) for number in range(4)]
ENDPOINTS = (r"/workflows\?", r"/workflows/workflow-000/jobs", r"/workflows/workflow-001/jobs")
NUMBERS = ("total_runs", "success_rate", "throughput", "total_credits_used", "duration_metrics.p95")
KILLS = 10


@dataclass
class Life:
    """One process after another on the same state; `now` is the time of all of them."""

    circle: Circle
    folder: Path
    random: Random
    now: float = NOON

    def start(self, number: int) -> Term:
        config = parse(
            f"circleci: {{url: '{self.circle.url}', requests_per_second: 1000, burst: 1000, timeout: 20s}}\n"
            f"state: {{path: '{self.folder / str(number) / 'state.db'}'}}\n"
            "defaults: {interval: 1h, stale_after: 30d, windows: [last-7-days, last-30-days], jobs: {max_age: 2h}}\n"
            f"projects: [{', '.join(SLUGS)}]"
        )
        log, environ = cast("Logger", CapturingLogger()), {"CIRCLECI_TOKEN": self.circle.token}
        waits = Skipping()
        clocks = Clocks(lambda: self.now, waits.clock, waits)
        term = Term(config, Options(), log, environ, webhooks=False, clocks=clocks)
        term.restore()
        return term

    def leave(self, number: int) -> None:
        """Take what a process leaves on the disk that is killed at this moment."""
        (self.folder / str(number + 1)).mkdir()
        for file in (self.folder / str(number)).iterdir():
            shutil.copyfile(file, self.folder / str(number + 1) / file.name)

    def change_answers(self) -> None:
        """Let other numbers come, and nulls in the place of some."""
        self.circle.heal()
        for slug in SLUGS:
            for endpoint in ENDPOINTS:
                path, value = self.random.choice(NUMBERS), self.random.choice([None, None, self.random.randrange(99)])
                self.circle.fail("put", f"{slug}{endpoint}", path=f"items.*.metrics.{path}", value=value)

    def work(self, term: Term) -> Poll | None:
        """Poll some projects, each once and an hour after the one before; returns a poll that is not at its end."""
        for slug in self.random.sample(SLUGS, self.random.randrange(1, len(SLUGS))):
            self.now += 3600 / len(SLUGS)
            poll = term.engine.begin(slug)
            while poll is not None and poll.step():
                if self.random.random() < 1 / len(SLUGS):
                    return poll
        return None


def gauges(term: Term) -> dict[str, str]:
    pieces, _ = term.exposition(openmetrics=False, gzip=False)
    lines = [line.rpartition(" ") for line in b"".join(pieces).decode().splitlines()]
    return {name: value for name, _, value in lines if name.startswith("circleci_insights_")}


@pytest.mark.parametrize("seed", range(2))
def test_a_start_after_a_kill_shows_all_gauges_as_they_were_at_the_kill(seed: int, tmp_path: Path) -> None:
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    counts, cut_short = set(), 0
    with Circle(projects=fleet(1, len(SLUGS), 2, 2), start=NOON, speed=0) as circle:
        life = Life(circle, tmp_path, random)
        (tmp_path / "0").mkdir()
        term = life.start(0)
        for number in range(KILLS):
            for _ in range(3):
                life.change_answers()
                if life.work(term) is not None:
                    cut_short += 1
                    break
            shown = gauges(term)
            counts.add(len(shown))
            life.leave(number)
            term.engine.close()
            term = life.start(number + 1)
            assert gauges(term) == shown
        term.engine.close()
    assert len(counts) > KILLS / 2, "nulls came and went"
    assert cut_short, "some polls were killed between their steps"
