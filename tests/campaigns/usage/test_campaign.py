"""Exact against a truth for thousands of job runs, with every trap in their files, killed at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.usage.campaign import Campaign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(600)
def test_every_job_run_adds_once_whatever_its_rows_are_like_and_whenever_the_process_dies(tmp_path: Path) -> None:
    with Campaign(tmp_path, seed=20_261_125, days=4, a_day=1500, speed=9_600) as campaign:
        campaign.run(kills=7, timeout=540)
        assert campaign.api.windows[0][0] == campaign.world.start
        assert campaign.shown[-1].items() >= campaign.world.truth().items()
        assert falls(campaign.shown) == []
        assert campaign.secrets_left() == []


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
