from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.demo.organization import Organization
from tests.circleci import Circle
from tests.demo.asking import DAY, NOON, WEB, ask, fetch

if TYPE_CHECKING:
    import pytest

PATH = f"/insights/{WEB}/workflows"


def test_requests_are_remembered_without_their_secrets(circle: Circle) -> None:
    ask(circle, f"{PATH}?branch=main", headers={"User-Agent": "tester/1", "Authorization": f"Bearer {circle.token}"})
    ask(circle, "/me", headers={})
    first, second = circle.requests
    assert (first.method, first.path, first.query, first.status) == ("GET", PATH, "branch=main", 200)
    assert (first.user_agent, first.token_ok) == ("tester/1", True)
    assert first.host == circle.url.partition("://")[2]
    assert "authorization" in first.header_names
    assert (second.status, second.token_ok, second.user_agent) == (401, False, None)
    assert circle.token not in repr(circle.requests)


def test_the_log_can_be_emptied(circle: Circle) -> None:
    ask(circle, "/me")
    circle.forget_requests()
    assert circle.requests == []


def test_other_tokens_can_be_taken_instead(circle: Circle) -> None:
    circle.accept("new-token", "newer-token")
    assert ask(circle, "/me").status == 401
    assert ask(circle, "/me", headers={"Circle-Token": "newer-token"}).status == 200


def test_an_answer_from_memory_is_the_same_until_the_next_aggregation(circle: Circle) -> None:
    first = ask(circle, PATH)
    assert ask(circle, PATH) == first
    circle.clock.advance(DAY)
    assert ask(circle, PATH) != first


def test_an_added_run_shows_in_the_next_answer(quiet: Circle) -> None:
    assert ask(quiet, PATH).json["items"] == []
    quiet.organization.add_run(WEB, "build", created=NOON - 60, stopped=NOON - 1)
    assert [row["name"] for row in ask(quiet, PATH).json["items"]] == ["build"]


def test_memory_is_bounded(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.demo.circleci._CACHED", 2)
    answers = [ask(circle, f"{PATH}?branch=b{index}").json for index in range(5)]
    assert answers == [{"items": [], "next_page_token": None}] * 5
    assert len(circle._cache) <= 2


def test_live_answers_follow_the_clock(circle: Circle) -> None:
    path = f"{PATH}/build-and-test?all-branches=true"
    before = ask(circle, path).json["items"]
    circle.clock.advance(DAY / 2)
    assert ask(circle, path).json["items"][0] != before[0]


def test_an_organization_can_be_shared(circle: Circle) -> None:
    organization = Organization(seed=7, quiet=True)
    with Circle(organization) as one, Circle(organization, token="other") as other:
        organization.add_run(WEB, "build")
        for each in (one, other):
            assert len(ask(each, f"{PATH}/build").json["items"]) == 1


def test_control_requests_need_no_token_and_are_not_remembered(circle: Circle) -> None:
    assert fetch(circle, "/_control/log", headers={}).status == 200
    assert circle.requests == []
