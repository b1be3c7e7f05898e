"""What is known of a project itself."""

from __future__ import annotations

import pytest

from exporter.errors import PayloadError
from exporter.knowledge import facts
from exporter.knowledge.snapshots import Facts
from tests.insights import payloads
from tests.knowledge.samples import FACTS, NOW


def test_a_project_names_its_default_branch_and_itself() -> None:
    page = {
        "slug": "gh/acme/web",
        "name": "web",
        "organization_name": "acme",
        "vcs_info": {"provider": "GitHub", "default_branch": "trunk"},
    }
    known = facts.of_project(page, None, NOW)
    assert (known.default_branch, known.project_name, known.organization) == ("trunk", "web", "acme")
    assert (known.provider, known.asked_at, known.branches) == ("GitHub", NOW, ())


def test_what_a_project_does_not_say_is_empty() -> None:
    known = facts.of_project({"vcs_info": {"default_branch": None}}, None, NOW)
    assert (known.default_branch, known.project_name, known.provider) == ("", "", "")


@pytest.mark.parametrize("page", [[], "x", {"name": 3}, {"vcs_info": {"default_branch": ["main"]}}])
def test_a_project_that_is_not_as_documented_is_an_error(page: object) -> None:
    with pytest.raises(PayloadError):
        facts.of_project(page, None, NOW)


def test_documented_projects_are_read() -> None:
    assert facts.of_project(payloads.document("project"), None, NOW).default_branch == "main"
    assert facts.of_project(payloads.document("project.github-app"), None, NOW).provider == "CircleCI"


def test_known_branches_stay_when_the_project_is_read_anew() -> None:
    known = facts.with_branches(FACTS, {"branches": ["main", 7, "dev", ""]}, NOW + 1)
    assert known.branches == ("main", "dev")
    again = facts.of_project({"vcs_info": {"default_branch": "main"}}, known, NOW + 2)
    assert (again.branches, again.branches_asked_at) == (("main", "dev"), NOW + 1)


def test_a_project_is_asked_for_once_a_day_and_its_branches_once_an_hour() -> None:
    known = facts.with_branches(FACTS, {"branches": []}, NOW)
    assert not facts.due(known, NOW + 86_399)
    assert facts.due(known, NOW + 86_400)
    assert not facts.branches_due(known, NOW + 3599)
    assert facts.branches_due(known, NOW + 3600)


def test_facts_from_the_future_are_asked_for_at_once() -> None:
    assert facts.due(known_at(NOW + 1), NOW)
    assert facts.branches_due(known_at(NOW + 1), NOW)


def known_at(moment: float) -> Facts:
    return Facts("main", "web", "acme", "GitHub", moment, ("main",), moment)
