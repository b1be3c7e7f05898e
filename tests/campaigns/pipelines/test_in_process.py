"""Many small campaigns in this process: what happens to pipelines, with faults, downtimes, restarts, wrong clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.effort import effort
from tests.campaigns.pipelines.story import Story
from tests.campaigns.samples import differences

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(effort(1, 12)))
def test_everything_is_counted_once_whatever_comes_together(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path / "state.db", seed)
    try:
        story.begin()
        for _ in range(effort(4, 8)):
            story.chapter()
        story.end()
        assert differences(story.counted(), story.truth()) == []
        assert differences(*story.in_progress()) == []
    finally:
        story.close()
