"""What `check` finds out about a project, and the reasons for what is empty."""

from __future__ import annotations

import pytest

from exporter.cli.online_check import examine, token_owner
from exporter.errors import UnauthorizedError
from tests.running.engine import hourly


def test_the_workflows_of_every_scope_are_found() -> None:
    with hourly("windows: [last-7-days, last-90-days], all_branches: true") as running:
        (snapshot, _) = running.engine.store.published["gh/acme/web"]
        finding = examine(running.engine.client, snapshot.project)
    assert (finding.default_branch, finding.error) == ("main", "")
    assert [(scope.branch, scope.window, len(scope.workflows), scope.reason) for scope in finding.scopes] == [
        ("main", "last-7-days", 3, ""),
        ("main", "last-90-days", 3, ""),
        ("all branches", "last-7-days", 4, ""),
        ("all branches", "last-90-days", 4, ""),
    ]


def test_a_project_of_ids_is_named_as_its_metrics_are() -> None:
    platform = "circleci/8vLqd1AbCdEf/43G3kM5RtfFE"
    with hourly(projects=platform) as running:
        (snapshot, _) = running.engine.store.published[platform]
        finding = examine(running.engine.client, snapshot.project)
        running.poll(platform)
        (polled, _) = running.engine.store.published[platform]
    assert finding.project.name == polled.project.name != platform
    assert finding.project.slug == platform


def test_an_empty_scope_is_explained_by_wider_ones() -> None:
    with hourly("default_branch: false, branches: [never-built]") as running:
        (snapshot, _) = running.engine.store.published["gh/acme/web"]
        (scope,) = examine(running.engine.client, snapshot.project).scopes
    assert scope.workflows == ()
    assert scope.reason == "0 on never-built in last-7-days, 0 in last-90-days, 4 on all branches"


def test_a_project_without_any_run_is_explained_too() -> None:
    with hourly("windows: [last-90-days], all_branches: true, default_branch: false", quiet=True) as running:
        (snapshot, _) = running.engine.store.published["gh/acme/web"]
        (scope,) = examine(running.engine.client, snapshot.project).scopes
    assert scope.reason == "0 on all branches in last-90-days"


def test_globs_that_match_nothing_are_an_error() -> None:
    with hourly("default_branch: false, branches: ['nope/*', 'x?']") as running:
        (snapshot, _) = running.engine.store.published["gh/acme/web"]
        finding = examine(running.engine.client, snapshot.project)
    assert finding.error == "no branch that Insights knows matches nope/*, x?"


def test_a_project_that_does_not_exist_is_an_error_in_words() -> None:
    with hourly(projects="gh/acme/nope") as running:
        (snapshot, _) = running.engine.store.published["gh/acme/nope"]
        finding = examine(running.engine.client, snapshot.project)
    assert "Project not found" in finding.error
    assert finding.scopes == ()


@pytest.mark.parametrize("login", [5, True, ["bot"], {"name": "bot"}, None, "\ud800"])
def test_an_owner_without_a_readable_login_is_none_and_the_token_is_accepted(login: object) -> None:
    with hourly() as running:
        running.circle.fail("put", match="/me", path="login", value=login)
        assert token_owner(running.engine.client) == ""


def test_the_owner_of_the_token_is_named_where_circleci_tells() -> None:
    with hourly() as running:
        assert token_owner(running.engine.client) == "insights-bot"
        running.circle.fail("forbidden", match="/me")
        assert token_owner(running.engine.client) == ""
        running.circle.accept("another")
        running.circle.heal()
        with pytest.raises(UnauthorizedError):
            token_owner(running.engine.client)
