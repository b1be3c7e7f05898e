"""Settings change while pipelines go on; what is counted before and after is the truth by the settings of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.campaigns.pipelines import attempts
from tests.campaigns.pipelines.producer import NAMED
from tests.campaigns.pipelines.story import BUCKETS, WAITS, Story
from tests.campaigns.pipelines.truth import Rules
from tests.campaigns.samples import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.campaigns.samples import Samples

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

DURATIONS = (
    "circleci_workflow_run_duration_seconds",
    "circleci_job_run_duration_seconds",
    "circleci_pipeline_feedback_seconds",
)
ATTEMPTS = ("circleci_pipeline_feedback_seconds", "circleci_job_flakes_total", "circleci_workflow_rerun")
"""What is another figure without jobs."""


class Chronicle:
    """A story in parts, each with settings of its own, and what all of them have counted."""

    def __init__(self, path: Path, seed: int) -> None:
        self.story = Story(path, seed)
        self.counted: Samples = {}
        self.named: Sequence[str] = NAMED
        self.buckets: Sequence[float] = BUCKETS
        self.jobs = True
        self.left_out: tuple[str, ...] = ()
        self._before: Samples = {}

    def truth(self) -> Samples:
        """What would be counted by now, had these settings held from the beginning."""
        return attempts.whole(Rules(self.story.began, self.named, self.buckets, WAITS), self.story.facts())

    def part(self, chapters: int = 3) -> None:
        """Let things happen, and compare."""
        for _ in range(chapters):
            self.story.chapter()
        self.story.end()
        now = self.truth()
        for series in now.keys() | self._before.keys():
            grown = round(now.get(series, 0) - self._before.get(series, 0), 6)
            if grown and (self.jobs or not series[0].startswith("circleci_job_")):
                self.counted[series] = round(self.counted.get(series, 0) + grown, 6)
        self.hold()

    def hold(self) -> None:
        """What is shown is what was counted."""
        left_out = self.left_out if self.jobs else (*self.left_out, "circleci_job_")
        shown, counted = (
            {series: value for series, value in each.items() if not series[0].startswith(left_out)}
            for each in (self.counted, self.story.counted())
        )
        assert differences(counted, shown) == []

    def reload(self, **settings: str) -> None:
        """Change settings; the attributes tell of them, too."""
        self.story.reload(**settings)
        self._before = self.truth()

    def forget(self, gone: Callable[[str, dict[str, str]], bool]) -> None:
        """Series that settings have ended."""
        self.counted = {each: value for each, value in self.counted.items() if not gone(each[0], dict(each[1]))}


@pytest.fixture
def chronicle(tmp_path: Path) -> Iterator[Chronicle]:
    chronicle = Chronicle(tmp_path / "state.db", 11)
    try:
        chronicle.story.begin()
        yield chronicle
    finally:
        chronicle.story.close()


def test_branches_that_come_and_go_change_only_their_own_series(chronicle: Chronicle) -> None:
    chronicle.part()
    chronicle.named = ("main", "feature/a", "release/1.0")
    chronicle.reload(branches="['feature/*', 'release/*']")
    chronicle.forget(lambda _, labels: labels["branch"] == "develop")
    chronicle.hold()
    chronicle.part()
    chronicle.story.restart(away=True)
    chronicle.story.looks_again()
    chronicle.hold()


def test_other_buckets_begin_the_durations_anew_and_nothing_else(chronicle: Chronicle) -> None:
    chronicle.part()
    chronicle.buckets = (45.0, 90.0, 180.0, 360.0, 720.0, 1440.0)
    chronicle.reload(buckets="[45s, 90s, 3m, 6m, 12m, 24m]")
    chronicle.forget(lambda family, _: family.startswith(DURATIONS))
    chronicle.hold()
    chronicle.story.restart(away=True)
    chronicle.story.looks_again()
    chronicle.hold()
    chronicle.part()


def test_jobs_that_are_off_for_a_while_go_on_where_they_were_without_what_ended_meanwhile(chronicle: Chronicle) -> None:
    chronicle.left_out = ATTEMPTS
    chronicle.part()
    chronicle.jobs = False
    chronicle.reload(jobs="false")
    chronicle.hold()
    chronicle.part()
    chronicle.jobs = True
    chronicle.reload(jobs="true")
    chronicle.hold()
    chronicle.part()
