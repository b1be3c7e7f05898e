"""What may go wrong with the first look: a restart within it, a default branch that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.insights.collector import PIPELINES_POLL
from tests.campaigns.pipelines.producer import SLUGS
from tests.campaigns.pipelines.story import Story
from tests.campaigns.samples import differences

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_restart_within_the_first_look_changes_nothing(tmp_path: Path, steps: int) -> None:
    story = Story(tmp_path / "state.db", 12)
    try:
        story.prepare()
        for slug in SLUGS:
            poll = story.engine.begin(slug, PIPELINES_POLL)
            assert poll is not None
            for _ in range(steps):
                if not poll.step():
                    break
        story.restart()
        story.pass_time(90)
        story.look()
        story.pass_time(1)
        story.end()
        assert differences(story.counted(), story.truth()) == []
        assert differences(*story.in_progress()) == []
    finally:
        story.close()


@pytest.mark.timeout(600)
def test_while_the_default_branch_is_not_known_nothing_counts_and_then_everything_does(tmp_path: Path) -> None:
    story = Story(tmp_path / "state.db", 13)
    try:
        story.prepare()
        story.circle.fail("not_found", r"/project/gh/acme/[a-z]*$")
        for _ in range(3):
            story.look(60)
            story.producer.some(story.circle.clock.now(), 4)
        assert story.began == {}
        assert story.counted() == {}
        story.circle.heal()
        story.pass_time(1)
        story.look()
        story.pass_time(1)
        assert story.began.keys() == set(SLUGS)
        story.circle.fail("not_found", r"/project/gh/acme/[a-z]*$")  # from now on the last known name serves
        for _ in range(9):  # what is known of a project is asked for again after a day
            story.producer.some(story.circle.clock.now(), 1)
            story.look(3 * 3600)
        story.end()
        assert differences(story.counted(), story.truth()) == []
    finally:
        story.close()
