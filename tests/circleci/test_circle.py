from __future__ import annotations

from typing import TYPE_CHECKING

from tests.demo.asking import WEB, ask, fetch

if TYPE_CHECKING:
    from tests.circleci import Circle

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


def test_control_requests_need_no_token_and_are_not_remembered(circle: Circle) -> None:
    assert fetch(circle, "/_control/log", headers={}).status == 200
    assert circle.requests == []
