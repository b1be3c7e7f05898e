"""Exact against a truth for thousands of job runs, with every trap in their files, killed at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.usage.campaign import Campaign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("days", "a_day", "deaths"),
    [(4, 700, 9), pytest.param(16, 3000, 40, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_every_job_run_adds_once_whatever_its_rows_are_like_and_wherever_the_process_dies(
    tmp_path: Path, days: int, a_day: int, deaths: int
) -> None:
    with Campaign(tmp_path, seed=20_261_125, days=days, a_day=a_day) as campaign:
        campaign.run(deaths)
        shown = campaign.shown
        assert campaign.circle.usage.windows[0][0] == campaign.world.start
        assert shown[-1].items() >= campaign.world.truth().items()
        assert falls(shown) == []
        assert campaign.secrets_left() == []
        assert campaign.inside > 0


def falls(shown: list[dict[str, float]]) -> list[str]:
    """Counters that fell, or that were not at 0 when they were first seen."""
    found, seen = [], dict[str, float]()
    for samples in shown:
        for name, value in samples.items():
            if "_ratio" not in name and "_timestamp_" not in name:
                if value < seen.get(name, 0) or (name not in seen and value):
                    found.append(name)
                seen[name] = value
    return found
