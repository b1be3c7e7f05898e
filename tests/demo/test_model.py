from __future__ import annotations

import pytest

from exporter.demo.model import DemoProject, Owner, Run

RUN = Run("a", "main", 100.0, 160.0, "success", 60, 5)


def test_slugs_have_two_and_three_segments() -> None:
    owner = Owner("circleci", "acme", "8vLq", "an id")
    assert owner.slug == "circleci/8vLq"
    assert DemoProject(owner, "platform", "43G3", "another").slug == "circleci/8vLq/43G3"


def test_a_run_is_seen_finished_from_its_end_on() -> None:
    assert RUN.seen(160.0) == RUN


@pytest.mark.parametrize(
    "run", [RUN, Run("a", "main", 100.0, None, "success", 60, 5), Run("a", "main", 100.0, 120.0, None, None, 5)]
)
def test_before_its_end_a_run_has_no_status_no_duration_and_no_credits(run: Run) -> None:
    seen = run.seen(159.0)
    assert (seen.status, seen.stopped, seen.duration, seen.credits) == (None, None, None, 0)
    assert (seen.id, seen.branch, seen.created) == ("a", "main", 100.0)
