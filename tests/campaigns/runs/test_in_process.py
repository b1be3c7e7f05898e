"""Many small campaigns in this process: pages that shift, clocks that jump, downtimes, restarts, failures."""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.campaigns.effort import effort
from tests.campaigns.reader import Reader
from tests.campaigns.runs.counting import Counting
from tests.campaigns.runs.producer import BRANCHES, DURATIONS, STATUSES
from tests.campaigns.runs.truth import COUNTERS, true_samples
from tests.campaigns.samples import differences, less, of, read
from tests.running.engine import SLUG

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.samples import Samples

WORKFLOWS = ("build", "deploy to production")
FAILURES = (
    "not_found",
    "items_object",
    "invalid_json",
    "html_200",
    "bad_token",
    "row_is_text",
    "duplicate_rows",
    "empty",
)
PAGES = r"workflows/.*start-date"
DAY = 86_400.0
SETTINGS = "stale_after: 90d, branches: [develop, 'release/*'], runs: {interval: 5m, lookback: 1d, sweep: 1h}"


class Story:
    """What happens to one exporter, by chance."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random = Random(seed)  # noqa: S311  nothing secret hangs on it
        self.counting = Counting(path, SETTINGS)
        self.counting.now += random.choice((0.0, -3 * DAY, 3 * DAY, random.uniform(-7200, 7200)))
        self.held: list[str] = []
        self.reader = Reader()
        self.reader.see({})  # before the first poll nothing is shown

    def run(self, back: float = 3600.0) -> dict[str, Any]:
        """What chance makes of a run that was created within the last seconds."""
        random, now = self.random, self.counting.circle.clock.now()
        made: dict[str, Any] = {
            "workflow": random.choice(WORKFLOWS),
            "branch": random.choice(BRANCHES),
            "status": random.choice((*STATUSES, "abandoned")),
            "duration": random.choice((*DURATIONS, None)),
            "credits": random.randrange(100),
            "is_approval": random.random() < 0.05,
            "created": now - random.choice((0.0, random.uniform(0, back))),
            "stopped": now,
        }
        match random.randrange(8):
            case 0:
                made |= {"created": float(int(now - back))}
            case 1 if back < DAY:  # what ends or shows later than the lookback after its creation is not counted
                made |= {"stopped": now + random.uniform(1, 4000)}
            case 2 if back < DAY:
                made |= {"shown": now + random.uniform(1, 4000)}
        return made

    def happen(self, count: int, back: float = 3600.0) -> None:
        """Let runs happen, hold some, and end some that were held."""
        organization = self.counting.circle.organization
        for _ in range(count):
            organization.add_run(SLUG, **self.run(back))
        held = organization.add_run(SLUG, self.random.choice(WORKFLOWS), self.random.choice(BRANCHES), None)
        self.held.append(held.id)
        if len(self.held) > 5:
            organization.finish_run(self.held.pop(0), self.random.choice(STATUSES))

    def end_held(self) -> None:
        """End all runs that are held: none may be for longer than the lookback."""
        for held in self.held:
            self.counting.circle.organization.finish_run(held, self.random.choice(STATUSES))
        self.held.clear()

    def chapter(self) -> None:
        """Something happens, then a poll."""
        random, counting = self.random, self.counting
        counting.circle.heal()  # what happens late must not be older than the lookback by then
        match random.randrange(10):
            case 0:
                self.end_held()
                away = random.uniform(1, 10) * DAY
                counting.pass_time(away)
                self.happen(400, back=away)
                counting.restart()
            case 1:
                counting.restart()
            case 2:
                counting.now += random.uniform(-900, 900)
            case 3 | 4:
                counting.circle.fail(random.choice(FAILURES), PAGES, times=1, after=random.randrange(5))
            case 5 | 6:
                more = [{"slug": SLUG, **self.run()} for _ in range(random.randrange(1, 300))]
                counting.circle.fail("as_is", PAGES, times=1, after=random.randrange(4), runs=more)
            case _:
                self.happen(random.choice((0, 1, 300)))
        self.happen(random.randrange(30))
        counting.poll(after=random.uniform(60, 1200))
        self.look()

    def look(self) -> None:
        """No counter falls, and none is born above 0."""
        self.reader.see(self.shown())
        assert self.reader.troubles == []

    def shown(self) -> Samples:
        """What a scrape shows of runs."""
        return of(read(self.counting.text()), COUNTERS)

    def truth(self) -> Samples:
        """The true counters of all that has run so far."""
        return true_samples(map(asdict, self.counting.circle.organization.truth()))


@pytest.mark.parametrize("seed", range(effort(2, 16)))
def test_every_run_is_counted_once_whatever_comes_together(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path / "state.db", seed)
    try:
        for workflow in WORKFLOWS:
            for _ in range(260):
                story.counting.run(workflow=workflow)
        story.counting.poll(after=1)
        story.look()
        before = story.truth()
        for _ in range(25):
            story.chapter()
        story.counting.circle.heal()
        for held in story.held:
            story.counting.circle.organization.finish_run(held)
        for _ in range(4):
            assert story.counting.poll(after=4000)
            story.look()
        assert differences(story.shown(), less(story.truth(), before)) == []
    finally:
        story.counting.close()
        story.counting.circle.stop()
