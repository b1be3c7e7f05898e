"""What a configuration costs, counted before it is asked."""

from __future__ import annotations

import pytest

from exporter.config import parse
from exporter.insights.collectors import NAMES, ORGANIZATIONS
from exporter.insights.questions import ALL_BRANCHES
from exporter.knowledge import calls
from exporter.knowledge.calls import NONE, Calls
from exporter.knowledge.snapshots import Snapshot
from tests.knowledge.samples import project, snapshot

DAILY = 1 / 24
MAIN = {("main", "last-7-days"): 5}


def cost(settings: str, workflows: dict[tuple[str, str], int] | None = None) -> Calls:
    """Without the one call a day for the project itself."""
    known = calls.calls_per_hour(project(settings), MAIN if workflows is None else workflows)
    return Calls(*(round(bound - DAILY, 9) for bound in known))


def collectors(*names: str) -> str:
    return f"collectors: [{', '.join(names)}]"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["workflows"], (1, 1)),
        (["workflows", "jobs"], (1 + 5 / 24, 1 + 5)),
        (["project"], (1, 1)),
        (["flaky_tests"], (1, 1)),
        (["tests"], (1 + 5, 1 + 5)),  # the workflows are asked for to know whose tests
        (["workflow_summary"], (1 + 5, 1 + 5)),
        (["job_trend"], (1 + 2 * 5, 1 + 2 * 5)),
        (["runs"], (5 * 12 + 1, 5 * 12 + 1)),
    ],
)
def test_five_workflows_of_one_branch_and_window_cost(names: list[str], expected: tuple[float, float]) -> None:
    assert cost(collectors(*names)) == pytest.approx(expected)


def test_every_collector_that_a_project_can_have_is_counted() -> None:
    every = [name for name in NAMES if name != ORGANIZATIONS]
    alone = [cost(collectors(name)) for name in every]
    assert all(bound.most > 0 for bound in alone)


def test_the_cost_goes_with_the_interval_and_the_age_of_jobs() -> None:
    wanted = "collectors: [workflows, jobs]\ninterval: 30m\njobs: {max_age: 2h}"
    assert cost(wanted) == pytest.approx((2 + 5 / 2, 2 + 2 * 5))
    assert cost("collectors: [workflows, jobs]\ninterval: 1d") == pytest.approx((6 / 24, 6 / 24))


def test_branches_and_windows_multiply_what_is_asked_in_each() -> None:
    scopes = {(branch, window): 5 for branch in ("main", "dev") for window in ("last-7-days", "last-90-days")}
    wanted = "branches: [dev]\nwindows: [last-7-days, last-90-days]\n"
    assert cost(wanted + collectors("workflows"), scopes).most == 4
    assert cost(wanted + collectors("jobs"), scopes).most == 4 + 4 * 5
    assert cost(wanted + collectors("project"), scopes).most == 2
    assert cost(wanted + collectors("tests"), scopes).most == 4 + 2 * 5


def test_half_of_the_windows_are_asked_while_none_changes() -> None:
    windows = ["last-24-hours", "last-7-days", "last-90-days"]
    for count, least in ((1, 1), (2, 1), (3, 2)):
        scopes = {("main", window): 5 for window in windows[:count]}
        wanted = f"windows: [{', '.join(windows[:count])}]\n"
        assert cost(wanted + collectors("workflows"), scopes) == (least, count)
        assert cost(wanted + collectors("project"), scopes) == (least, count)


def test_all_branches_have_no_buckets() -> None:
    scopes = {("main", "last-7-days"): 5, (ALL_BRANCHES, "last-7-days"): 50}
    assert cost("all_branches: true\n" + collectors("job_trend"), scopes).most == 1 + 3 + 2 * 5


def test_workflows_come_in_pages() -> None:
    for count, pages in ((0, 1), (1, 1), (20, 1), (21, 2), (100, 5)):
        assert cost(collectors("workflows"), {("main", "last-7-days"): count}).most == pages


def test_globs_need_the_branches_once_an_hour_or_poll() -> None:
    for interval, more in (("1h", 1), ("5m", 1), ("2h", 0.5)):
        plain = cost(f"{collectors('project')}\ninterval: {interval}")
        globs = cost(f"{collectors('project')}\ninterval: {interval}\nbranches: ['f/*']")
        assert globs.most - plain.most == pytest.approx(more)


def test_what_is_known_of_a_project_counts() -> None:
    asked = collectors("workflows", "jobs")
    assert calls.expected(snapshot(asked, workflows=("a", "b"))).most == pytest.approx(DAILY + 1 + 2)
    assert calls.expected(Snapshot(project(asked))).most == pytest.approx(DAILY + 1)
    assert calls.expected(Snapshot(project(f"{asked}\nbranches: [dev]"))).most == pytest.approx(DAILY + 2)


def searches(slug: str, settings: str = "") -> Calls:
    (found,) = parse(f"organizations: [{{slug: {slug}, {settings}}}]").organizations
    return calls.searches_per_hour(found)


def test_a_search_asks_for_each_window_and_where_there_are_no_names_for_pipelines() -> None:
    assert searches("gh/acme") == (1, 1)
    assert searches("gh/acme", "windows: [last-7-days, last-90-days], discovery_interval: 30m") == (4, 4)
    assert searches("circleci/8vLqd1AbCdEf") == (1 + 1, 1 + 25)


def test_calls_are_added_bound_by_bound() -> None:
    assert sum([Calls(1, 2), Calls(3, 5)], NONE) == (4, 7)
    with pytest.raises(TypeError):
        Calls(1, 2) + 3
