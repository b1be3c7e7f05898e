"""What is asked, as a value: its path, and the labels that it gives its answer."""

from __future__ import annotations

import pytest

from exporter.insights.questions import ALL_BRANCHES, Question, reachable, scoped

JOBS = "/insights/{slug}/workflows/{workflow}/jobs"


@pytest.mark.parametrize(
    ("workflow", "encoded"),
    [
        ("build", "build"),
        ("build / test & deploy", "build%20%2F%20test%20%26%20deploy"),
        ("50%_off?page=2#top", "50%25_off%3Fpage%3D2%23top"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("{slug}", "%7Bslug%7D"),
    ],
)
def test_a_workflow_is_encoded_whole_and_a_slug_keeps_its_slashes(workflow: str, encoded: str) -> None:
    assert Question("jobs", JOBS, "gh/acme/web", workflow).path == f"/insights/gh/acme/web/workflows/{encoded}/jobs"


def test_the_labels_come_from_what_was_asked() -> None:
    question = Question(
        "jobs", JOBS, "gh/acme/web", "build", (*scoped("release/2"), ("reporting-window", "last-7-days"))
    )
    assert (question.branch, question.window, question.granularity) == ("release/2", "last-7-days", "")
    everywhere = Question("jobs", JOBS, "gh/acme/web", "build", (*scoped(ALL_BRANCHES), ("granularity", "daily")))
    assert (everywhere.branch, everywhere.window, everywhere.granularity) == ("all branches", "", "daily")
    assert Question("flaky_tests", "/insights/{slug}/flaky-tests", "gh/acme/web").branch == ""


def test_all_branches_are_asked_for_by_their_own_parameter() -> None:
    assert scoped(ALL_BRANCHES) == (("all-branches", "true"),)
    assert scoped("main") == (("branch", "main"),)


@pytest.mark.parametrize(
    ("workflow", "asked"), [(".", False), ("..", False), ("", False), ("...", True), ("a/..", True)]
)
def test_a_workflow_that_a_url_would_swallow_cannot_be_asked_for(workflow: str, asked: bool) -> None:
    assert reachable(workflow) is asked
