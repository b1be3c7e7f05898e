"""The figures equal the truth of days in which known job runs are hidden on either side, through kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.effort import effort
from tests.campaigns.usage.days import Days

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20_261_203, 20_261_203 + effort(1, 3)))
def test_the_figures_of_each_day_equal_the_truth(tmp_path: Path, seed: int) -> None:
    running = Days(tmp_path / "state.db", seed, effort(5, 30))
    try:
        found = running.run(effort(2, 6))
    finally:
        running.close()
        running.stop()
    assert [shown for shown, _ in found] == [truth for _, truth in found]
    assert running.kills
    assert running.cuts
    assert sum(truth[1] or 0 for _, truth in found) > 0
    assert sum(truth[2] or 0 for _, truth in found) > 0
