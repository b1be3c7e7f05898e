from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci.faults import Faults
from tests.demo.asking import API, WEB, ask, post
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from tests.circleci import Circle


def statuses(circle: Circle, path: str, count: int) -> list[int]:
    return [ask(circle, path).status for _ in range(count)]


def test_a_fault_is_met_by_what_it_matches_only(circle: Circle) -> None:
    circle.fail("server_error", match=f"/insights/{WEB}/workflows")
    assert ask(circle, f"/insights/{WEB}/workflows").status == 500
    assert ask(circle, f"/insights/{API}/workflows").status == 200


def test_a_fault_can_be_bounded_and_begin_late(circle: Circle) -> None:
    fault = circle.fail("unavailable", times=2, after=1)
    assert statuses(circle, "/me", 5) == [200, 503, 503, 200, 200]
    assert fault.hits == 2


def test_the_first_fault_that_matches_applies_until_it_is_used_up(circle: Circle) -> None:
    circle.fail("throttle", times=1)
    circle.fail("bad_gateway", times=1)
    assert statuses(circle, "/me", 3) == [429, 502, 200]


def test_a_fault_may_have_a_chance(circle: Circle) -> None:
    circle.fail("server_error", chance=0.5)
    found = statuses(circle, "/me", 60)
    assert 10 < found.count(500) < 50
    again = Faults(seed=1)
    again.add("server_error", chance=0.5)
    assert [500 if again.take("/me") else 200 for _ in range(60)] == found


@pytest.mark.parametrize("let_go", ["release", "heal"])
def test_an_answer_is_held_back_until_it_is_released(circle: Circle, let_go: str) -> None:
    fault = circle.fail("hold", "/me$", times=1)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, circle, "/me")
        wait_until(lambda: fault.hits, why="the request")
        assert ask(circle, "/me/collaborations").status == 200
        assert not answer.done()
        fault.release() if let_go == "release" else circle.heal()
        assert answer.result(PATIENCE).status == 200


def test_healing_ends_every_fault(circle: Circle) -> None:
    circle.fail("server_error")
    circle.heal()
    assert ask(circle, "/me").status == 200


def test_a_fault_is_named_in_the_log(circle: Circle) -> None:
    circle.fail("throttle", times=1)
    ask(circle, "/me")
    ask(circle, "/me")
    assert [(seen.fault, seen.status) for seen in circle.requests] == [("throttle", 429), (None, 200)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("no such fault", {}), ("status", {}), ("throttle", {"wait": 3}), ("hang", {"bytes": 1}), ("redirect", {})],
)
def test_what_is_no_fault_is_refused_when_it_is_set(circle: Circle, kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=kind):
        circle.fail(kind, **options)
    assert post(circle, "faults", {"faults": [{"kind": kind, **options}]}).status == 400
    assert ask(circle, "/me").status == 200


def test_runs_can_happen_while_pages_are_read(circle: Circle) -> None:
    path = f"/insights/{WEB}/workflows/build-and-test"
    circle.fail("as_is", match=path, times=1, runs=[{"slug": WEB, "workflow": "build-and-test"}])
    first = ask(circle, path).json
    second = ask(circle, f"{path}?page-token={first['next_page_token']}").json
    assert second["items"][0] == first["items"][-1]


def test_pipelines_can_come_while_a_client_reads_pages(quiet: Circle) -> None:
    for _ in range(25):
        quiet.pipelines.add(WEB)
    path = f"/project/{WEB}/pipeline"
    quiet.fail("as_is", match=path, times=1, steps=[("add", {"slug": WEB})] * 2)
    first = ask(quiet, path).json
    second = ask(quiet, f"{path}?page-token={first['next_page_token']}").json
    assert second["items"][:2] == first["items"][-2:]
    assert len(second["items"]) == 7
