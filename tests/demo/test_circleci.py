from __future__ import annotations

import pytest

from exporter.demo.organization import Organization
from tests.circleci import Circle
from tests.demo.asking import DAY, NOON, WEB, ask, fetch

PATH = f"/insights/{WEB}/workflows"


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


@pytest.mark.parametrize("headers", [None, {}])
def test_every_answer_is_dated_by_the_clock_of_the_organization(circle: Circle, headers: dict[str, str] | None) -> None:
    assert ask(circle, "/me", headers=headers).headers["date"] == "Tue, 22 Sep 2026 12:00:00 GMT"
    circle.clock.advance(61.5)
    assert ask(circle, "/nothing", headers=headers).headers["date"] == "Tue, 22 Sep 2026 12:01:01 GMT"


def test_a_person_who_follows_a_link_reads_that_there_is_no_page(circle: Circle) -> None:
    answer = fetch(circle, "/pipelines/github/acme/web/7/workflows/1", headers={})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"synthetic" in answer.body
