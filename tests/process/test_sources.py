"""What the page says of the newest day that was compared, over all organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.process import sources
from exporter.web.page.overview import ComparedView
from tests.usage.compared import HOUR, MIDNIGHT, Compared
from tests.usage.making import DAY

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_day_compared_is_the_sum_of_its_projects(tmp_path: Path) -> None:
    with Compared(tmp_path / "state.db") as running:
        assert sources.compared([running.source]) is None
        running.begin()
        running.ran(MIDNIGHT + HOUR, {}, {"name": "lint"})
        running.hidden.update(running.ran(MIDNIGHT + 2 * HOUR))
        running.unseen(MIDNIGHT + 3 * HOUR)
        running.go_on(MIDNIGHT + DAY + HOUR, every=3 * HOUR)
        running.read()
        assert sources.compared([running.source]) == ComparedView(MIDNIGHT, 1, 2, 1, 1)
