from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.demo.catalog import builtin
from exporter.demo.roster import Roster
from tests.demo.asking import BILLING, PLATFORM, WEB, WEEK, ask

if TYPE_CHECKING:
    from tests.circleci import Circle


@pytest.fixture
def roster() -> Roster:
    return Roster(builtin(1))


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        (WEB, WEB),
        ("github/acme/web", WEB),
        (BILLING, BILLING),
        ("bitbucket/initech/billing", BILLING),
        (PLATFORM, PLATFORM),
    ],
)
def test_long_forms_of_a_slug_are_known(roster: Roster, given: str, slug: str) -> None:
    project = roster.find(given)
    assert project is not None
    assert project.slug == slug


@pytest.mark.parametrize("slug", ["gh/acme/none", "gl/acme/web", "", "gh"])
def test_other_slugs_are_not(roster: Roster, slug: str) -> None:
    assert roster.find(slug) is None


def test_a_hidden_project_is_gone_and_comes_back(roster: Roster) -> None:
    before = roster.version
    roster.hide(BILLING)
    assert roster.find(BILLING) is None
    assert "bb/initech" not in roster.owners()
    roster.show(BILLING)
    assert roster.find(BILLING) in roster.projects()
    assert roster.version == before + 2


def test_a_hidden_workflow_or_branch_has_no_rows_and_no_runs(circle: Circle) -> None:
    roster = circle.organization.roster
    roster.hide(WEB, workflow="deploy")
    roster.hide(WEB, branch="release/2.0")
    names = [row["name"] for row in ask(circle, f"/insights/{WEB}/workflows").json["items"]]
    assert names == ["build-and-test", "nightly"]
    assert ask(circle, f"/insights/{WEB}/workflows/deploy").json["items"] == []
    assert "release/2.0" not in ask(circle, f"/insights/{WEB}/branches").json["branches"]
    rows = ask(circle, f"/insights/{WEB}/workflows?branch=release/2.0").json["items"]
    assert rows == []


def test_an_added_project_is_answered_for(circle: Circle) -> None:
    circle.organization.roster.add("gh/acme/new", default_branch="trunk")
    circle.organization.roster.add("gh/umbrella/lab")
    assert ask(circle, "/project/gh/acme/new").json["vcs_info"]["default_branch"] == "trunk"
    assert ask(circle, "/insights/gh/acme/new/workflows").json["items"] == []
    assert "new" in ask(circle, "/insights/gh/acme/summary").json["all_projects"]
    assert ask(circle, "/insights/gh/umbrella/summary").json["all_projects"] == ["lab"]


def test_the_default_branch_can_be_renamed(circle: Circle) -> None:
    before = circle.organization.workflow_metrics(WEB, "nightly", None, WEEK)
    circle.organization.roster.rename_default_branch(WEB, "trunk")
    assert ask(circle, f"/project/{WEB}").json["vcs_info"]["default_branch"] == "trunk"
    assert circle.organization.workflow_metrics(WEB, "nightly", "trunk", WEEK) == before
    assert circle.organization.workflow_metrics(WEB, "nightly", "main", WEEK) is None
