"""Days on which each source lacks job runs, others come late or twice, with kills between: figures equal the truth."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.effort import effort
from tests.running.watching import SLUG
from tests.usage.compared import HOUR, MIDNIGHT, compared
from tests.usage.making import DAY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.usage.compared import Compared
    from tests.usage.making import Row

DAYS = 4
JOBS = 40
"""Job runs of a day, about."""
KILLS = 0.15
"""The chance of a kill in each hour."""


class Days:
    """What happens on each day by chance, and who must have it."""

    def __init__(self, running: Compared, path: Path, seed: int) -> None:
        self.running, self.path, self.random = running, path, Random(seed)  # noqa: S311  no secret
        self.kills = self.kills_in_reading = 0
        self.image: dict[Path, bytes] = {}
        self.lacking: dict[int, set[str]] = {}
        files = running.api.files

        def imaged(start: float, end: float) -> list[bytes]:
            self.image = self.files()
            return files(start, end)

        running.api.files = imaged

    def files(self) -> dict[Path, bytes]:
        """What a kill would leave of the state at this moment."""
        found = self.path.parent.glob(f"{self.path.name}*")
        return {path: path.read_bytes() for path in found if not path.name.endswith("-shm")}

    def kill(self, left: dict[Path, bytes]) -> None:
        """Start again with nothing but what was committed then."""
        self.running.close()
        for path in self.files():
            path.unlink()
        for path, content in left.items():
            path.write_bytes(content)
        self.running.open()

    def plan(self, day: float) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Decide about one day; returns its figures when it is read, and those once rows that come late are there."""
        both = missed = late = hidden = 0
        lacking: set[str] = set()
        for _ in range(JOBS):
            at = day + self.random.randrange(600, int(DAY) - 600)
            happens = self.random.random()
            if happens < 0.15:
                lacking |= set(self.running.unseen(at))
                missed += 1
                continue
            tag = "v1" if self.random.random() < 0.1 else None
            status = self.random.choice(("success", "failed", "timedout", "canceled"))
            [job] = self.running.ran(at, {"status": status}, **({"tag": tag} if tag else {}))
            if happens < 0.3:
                self.running.hidden.add(job)
                hidden += 1
            elif happens < 0.45:
                self.running.late[job] = day + DAY + 12 * HOUR
                late += 1
            else:
                both += 1
                if happens < 0.6:
                    self.running.more.append(self.row(job, day))
        self.lacking[int(day)] = lacking
        return (both, missed, hidden + late), (both + late, missed, hidden)

    def row(self, job: str, day: float) -> Row:
        return next(row for row in self.running.rows_of(day, day + DAY) if row["JOB_ID"] == job)

    def go_on(self, until: float) -> None:
        """Let the hours pass, with kills among them."""
        while self.running.now < until:
            self.running.go_on(min(until, self.running.now + HOUR))
            if self.random.random() < KILLS:
                self.kill(self.files())
                self.kills += 1

    def read(self, day: float) -> None:
        """Let the day be read and compared; it may be killed while it reads, with what was committed before."""
        self.image = {}
        killed = self.random.random() < 0.5
        for _ in range(120):
            self.running.look(60)
            self.running.export()
            if self.image and killed:
                self.kill(self.image)
                killed = False
                self.kills_in_reading += 1
            elif self.running.day() == day:
                return


@pytest.mark.parametrize("seed", range(effort(3, 60)))
def test_the_figures_of_each_day_equal_the_truth_whatever_lacks_and_whenever_it_is_killed(
    seed: int, tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    with compared(path) as running:
        days = Days(running, path, seed)
        running.begin()
        found, truth = [], []
        for number in range(DAYS):
            day = MIDNIGHT + number * DAY
            first, _ = days.plan(day)
            days.go_on(day + DAY + HOUR)
            days.read(day)
            found.append((running.day(), running.figures()))
            truth.append((day, first))
        assert found == truth
        for told in running.told("job runs missed"):
            assert set(told["job_ids"].split()) <= set().union(*days.lacking.values())
            assert told["count"] in {missed for _, (_, missed, _) in truth}
        assert days.kills + days.kills_in_reading > 0


def test_rows_that_come_after_their_day_was_compared_are_added_to_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with compared(path) as running:
        days = Days(running, path, 7)
        running.begin()
        first, later = days.plan(MIDNIGHT)
        days.go_on(MIDNIGHT + DAY + HOUR)
        days.read(MIDNIGHT)
        assert running.figures(SLUG) == first
        days.go_on(MIDNIGHT + 2 * DAY + HOUR)  # nothing ran on that day
        running.read()
        assert (running.day(), running.figures()) == (MIDNIGHT, later)
        assert first != later
