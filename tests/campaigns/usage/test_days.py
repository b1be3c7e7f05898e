"""The figures equal the truth of days in which known job runs are hidden on either side, through kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.effort import effort
from tests.campaigns.usage.days import API, Days
from tests.running.engine import SLUG
from tests.usage.compared import HOUR, MIDNIGHT
from tests.usage.making import DAY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20_261_203, 20_261_203 + effort(2, 30)))
def test_the_figures_of_each_day_equal_the_truth_whatever_lacks_and_whenever_it_is_killed(
    tmp_path: Path, seed: int
) -> None:
    with Days(tmp_path / "state.db", seed, effort(5, 30)) as running:
        found = running.run(effort(3, 6))
        assert [shown for shown, _ in found] == [truth for _, truth in found]
        assert min(running.kills, running.kills_in_reading, running.cuts) > 0
        assert sum(truth[1] or 0 for _, truth in found) > 0
        assert sum(truth[2] or 0 for _, truth in found) > 0
        for told in running.told("job runs missed"):
            assert set(told["job_ids"].split()) <= set().union(*running.missed.values())
            assert told["count"] in {missed for _, (_, missed, _) in found}


def test_rows_that_come_after_their_day_was_compared_are_added_to_it(tmp_path: Path) -> None:
    with Days(tmp_path / "state.db", 7, 20) as running:
        running.begin()
        for slug in running.slugs:
            running.plan(0, slug)
        running.trouble(MIDNIGHT + DAY + HOUR)
        running.compare(MIDNIGHT)
        first, later = ([running.truth_of(0, slug, late_too=late) for slug in (SLUG, API)] for late in (False, True))
        assert [running.figures(slug) for slug in (SLUG, API)] == first
        running.trouble(MIDNIGHT + 2 * DAY + HOUR)  # nothing ran on that day
        running.read()
        assert running.day() == MIDNIGHT
        assert [running.figures(slug) for slug in (SLUG, API)] == later
        assert first != later
