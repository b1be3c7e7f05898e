"""Searching, sorting and cutting."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from exporter.web.page.overview import Health
from exporter.web.page.selection import PROJECTS_A_PAGE, WORKFLOWS_A_PAGE, Query, Ranking, Slice
from tests.web.published import collector, overview, project, workflow

FAILING = project("acme/failing", collector("workflows", Health.FAILING), collector("jobs"))
STALE = project("acme/stale", collector("workflows", Health.STALE))
PENDING = project("acme/pending", collector("workflows", Health.PENDING))
GOOD = project("acme/good")


def names(query: Query, ranking: Ranking) -> tuple[list[str], list[str]]:
    projects, workflows = ranking.select(query)
    return [row.view.name for row in projects.rows], [row.view.name for row in workflows.rows]


def test_projects_come_worst_first() -> None:
    ranking = Ranking(overview([GOOD, PENDING, STALE, FAILING, project("acme/also good")]))
    assert names(Query(), ranking)[0] == ["acme/failing", "acme/stale", "acme/pending", "acme/also good", "acme/good"]
    assert ranking.states == {
        Health.FAILING: 1,
        Health.STALE: 1,
        Health.PENDING: 1,
        Health.OK: 2,
    }


def test_a_project_is_as_bad_as_its_worst_collector_and_pending_without_any() -> None:
    bare = project("acme/bare")
    bare = type(bare)(bare.name, bare.slug, None, (), None, 0)
    ranking = Ranking(overview([bare, FAILING]))
    assert [(row.view.name, row.state) for row in ranking.projects] == [
        ("acme/failing", Health.FAILING),
        ("acme/bare", Health.PENDING),
    ]


def test_workflows_come_by_their_collectors_state_and_then_by_success_with_the_unknown_last() -> None:
    flaky = project("acme/flaky", collector("workflows"), collector("flaky_tests", Health.FAILING))
    rows = [
        workflow("acme/good", "fine", 0.99),
        workflow("acme/good", "unknown", None),
        workflow("acme/good", "no number", math.nan),
        workflow("acme/good", "poor", 0.1),
        workflow("acme/flaky", "of a project whose other collector fails", 0.05),
        workflow("acme/stale", "stale", 1.0),
        workflow("acme/failing", "failing", 1.0),
        workflow("acme/gone", "of no project", 0.5),
    ]
    ranking = Ranking(overview([GOOD, STALE, FAILING, flaky], rows))
    assert names(Query(), ranking)[1] == [
        "failing",
        "stale",
        "of a project whose other collector fails",
        "poor",
        "of no project",
        "fine",
        "no number",
        "unknown",
    ]


def test_a_workflow_without_a_workflows_collector_takes_its_projects_state() -> None:
    only_runs = project("acme/runs", collector("runs", Health.STALE))
    ranking = Ranking(overview([only_runs], [workflow("acme/runs", "build")]))
    assert ranking.workflows[0].state is Health.STALE


def test_a_search_finds_names_slugs_and_branches_in_any_case() -> None:
    other = project("web", slug="circleci/8vLqd1AbCdEf/43G3kM5RtfFE")
    ranking = Ranking(
        overview(
            [GOOD, other],
            [workflow("acme/good", "Build"), workflow("web", "deploy", branch="release/ß")],
        )
    )
    assert names(Query(text="BUILD"), ranking) == (["acme/good"], ["Build"])
    assert names(Query(text="8VLQD1"), ranking) == (["web"], [])
    assert names(Query(text="release/SS"), ranking) == (["web"], ["deploy"])
    assert names(Query(text="web"), ranking) == (["web"], ["deploy"])
    assert names(Query(text="nowhere"), ranking) == ([], [])


def test_filters_narrow_projects_and_their_workflows() -> None:
    ranking = Ranking(
        overview([GOOD, FAILING], [workflow("acme/good", "build"), workflow("acme/failing", "build too")])
    )
    assert names(Query(state=Health.FAILING), ranking) == (["acme/failing"], ["build too"])
    assert names(Query(project="acme/good"), ranking) == (["acme/good"], ["build"])
    assert names(Query(project="acme/good", state=Health.FAILING), ranking) == ([], [])


def test_one_page_is_bounded_and_one_beyond_the_last_is_the_last() -> None:
    ranking = Ranking(
        overview(
            [project(f"acme/{number:03}") for number in range(45)],
            [workflow("acme/001", f"w{number}") for number in range(120)],
        )
    )
    projects, workflows = ranking.select(Query(projects_page=2, workflows_page=99))
    assert (len(projects.rows), projects.number, projects.last, projects.total) == (PROJECTS_A_PAGE, 2, 3, 45)
    assert (len(workflows.rows), workflows.number, workflows.last) == (120 - 2 * WORKFLOWS_A_PAGE, 3, 3)


def test_a_page_of_nothing_is_the_first_of_one() -> None:
    assert Slice.cut([], 7, 10) == Slice([], 1, 1, 0)


def test_sorted_lists_are_kept_while_what_they_are_sorted_by_is_the_same() -> None:
    first = overview([GOOD, FAILING], [workflow("acme/good", "build")])
    ranking = Ranking(first)

    again = Ranking(first, ranking)
    assert (again.projects is ranking.projects, again.workflows is ranking.workflows) == (True, True)
    polled = Ranking(overview([replace(GOOD, next_poll=5.0), FAILING], first.workflows), again)
    assert (polled.projects is ranking.projects, polled.workflows is ranking.workflows) == (False, True)
    assert {project.view.next_poll for project in polled.projects} == {5.0, FAILING.next_poll}
    failing = Ranking(overview([replace(GOOD, collectors=FAILING.collectors), FAILING], first.workflows), polled)
    assert [each.state for each in failing.workflows] == [FAILING.collectors[0].state]
    more = Ranking(overview([GOOD, FAILING], [workflow("acme/good", "test")]), ranking)
    assert [each.view.name for each in more.workflows] == ["test"]


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({}, Query()),
        ({"q": "  build "}, Query(text="build")),
        ({"q": "x" * 500}, Query(text="x" * 200)),
        ({"project": "acme/web", "state": "failing"}, Query(project="acme/web", state=Health.FAILING)),
        ({"state": "FAILING"}, Query()),
        ({"pp": "3", "wp": "12"}, Query(projects_page=3, workflows_page=12)),
        ({"pp": "0", "wp": "-1"}, Query()),
        ({"pp": "9" * 5000, "wp": "²"}, Query()),
        ({"refresh": "off"}, Query(refresh=False)),
        ({"refresh": "no", "unknown": "x"}, Query()),
    ],
)
def test_an_address_is_read_and_what_it_cannot_mean_is_ignored(parameters: dict[str, str], query: Query) -> None:
    assert Query.read(parameters) == query


def test_a_link_keeps_the_query_and_changes_one_thing() -> None:
    query = Query(text="a&b", project="acme/web", state=Health.OK, projects_page=2, workflows_page=3, refresh=False)
    assert query.link() == "?q=a%26b&project=acme%2Fweb&state=ok&pp=2&wp=3&refresh=off"
    assert query.link(refresh=True) == "?q=a%26b&project=acme%2Fweb&state=ok&pp=2&wp=3"
    assert query.link(workflows_page=1) == "?q=a%26b&project=acme%2Fweb&state=ok&pp=2&refresh=off"
    assert Query().link() == "?"


def test_a_link_to_another_choice_starts_at_its_first_page() -> None:
    query = Query(projects_page=2, workflows_page=3)
    assert query.link(state=Health.STALE) == "?state=stale"
    assert query.link(project="\ud800") == "?project=%3F"
