from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.demo.messages import Reply
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


def test_what_was_asked_is_found_by_path_and_query_with_the_time_of_its_clock(circle: Circle) -> None:
    ask(circle, f"{PATH}?branch=main")
    circle.clock.advance(60)
    ask(circle, "/me")
    assert [each.target for each in circle.asked("branch=main$")] == [f"{PATH}?branch=main"]
    first, second = circle.requests
    assert second.now - first.now == 60


def test_something_is_looked_at_each_time_that_a_question_comes(circle: Circle) -> None:
    seen = circle.when_asked("/me$", lambda: len(circle.requests))
    for path in ("/me", PATH, "/me"):
        ask(circle, path)
    assert seen == [1, 3]


def test_the_next_answers_are_those_that_are_given_or_made_of_the_good_one(circle: Circle) -> None:
    circle.next_answers("/me$", Reply(206, b"{}"), lambda good: good.header("X-Seen", "yes"))
    answers = [ask(circle, "/me") for _ in range(3)]
    assert [(answer.status, answer.headers.get("x-seen")) for answer in answers] == [
        (206, None),
        (200, "yes"),
        (200, None),
    ]
