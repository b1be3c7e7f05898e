from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.asking import NOON, QUARTER, WEB, ask, fetch, post

if TYPE_CHECKING:
    from tests.circleci import Circle

RUN = {"slug": WEB, "workflow": "build", "created": NOON - 60, "stopped": NOON - 1, "run_id": "an id"}


def test_faults_are_set_and_taken_away(circle: Circle) -> None:
    faults = [{"kind": "throttle", "times": 1, "retry_after": 2}, {"kind": "server_error", "match": "/me"}]
    assert post(circle, "faults", {"faults": faults}).json == {"faults": [0, 1]}
    assert [ask(circle, "/me").status for _ in range(2)] == [429, 500]
    assert post(circle, "heal", {}).json == {"violations": 0}
    assert ask(circle, "/me").status == 200


def test_a_limit_is_set_and_its_violations_are_told(circle: Circle) -> None:
    post(circle, "limit", {"rate": 0.001, "burst": 1})
    assert [ask(circle, "/me").status for _ in range(3)] == [200, 429, 429]
    assert post(circle, "heal", {}).json == {"violations": 2}


def test_the_log_is_told_from_any_point_on(circle: Circle) -> None:
    ask(circle, "/me")
    ask(circle, "/me/collaborations")
    found = fetch(circle, "/_control/log?after=1").json
    assert (found["total"], [seen["path"] for seen in found["requests"]]) == (2, ["/me/collaborations"])


def test_a_reset_forgets_requests_tokens_and_faults(circle: Circle) -> None:
    post(circle, "tokens", {"tokens": ["other"]})
    post(circle, "faults", {"faults": [{"kind": "server_error"}]})
    ask(circle, "/me")
    post(circle, "reset", {})
    assert fetch(circle, "/_control/log").json["total"] == 0
    assert ask(circle, "/me").status == 200


def test_the_clock_is_moved_on(circle: Circle) -> None:
    assert post(circle, "clock", {"advance": 60}).json["now"] == NOON + 60
    assert post(circle, "clock", {}).json["now"] == NOON + 60


def test_runs_are_added_and_finished_and_counted(circle: Circle) -> None:
    row = post(circle, "runs", {"runs": [{**RUN, "status": None, "stopped": None}]}).json["runs"][0]
    assert (row["id"], row["status"], row["stopped_at"]) == ("an id", None, None)
    row = post(circle, "finish", {"runs": [{"run_id": "an id", "status": "failed", "duration": 9}]}).json["runs"][0]
    assert (row["status"], row["duration"]) == ("failed", 9)
    truth = fetch(circle, f"/_control/truth?at={NOON}").json
    assert truth["at"] == NOON
    (tally,) = truth["tallies"]
    assert (tally["workflow"], tally["status"], tally["runs"], tally["durations"]) == ("build", "failed", 1, [9])
    assert len(fetch(circle, "/_control/truth?generated=true").json["tallies"]) > 50


def test_true_metrics_are_told(circle: Circle) -> None:
    organization = circle.organization
    path = f"/_control/metrics?project={WEB}&workflow=deploy&window={QUARTER}"
    assert fetch(circle, path).json["metrics"] == organization.workflow_metrics(WEB, "deploy", None, QUARTER)
    job = fetch(circle, f"{path}&job=hold&branch=main").json["metrics"]
    assert job == organization.job_metrics(WEB, "deploy", "hold", "main", QUARTER)


def test_projects_come_and_go(circle: Circle) -> None:
    change = {"hide": [{"slug": WEB}], "add": [{"slug": "gh/acme/new"}]}
    slugs = post(circle, "projects", change).json["projects"]
    assert "gh/acme/new" in slugs
    assert WEB not in slugs
    post(circle, "projects", {"default_branch": [{"slug": "gh/acme/new", "branch": "trunk"}]})
    assert ask(circle, "/project/gh/acme/new").json["vcs_info"]["default_branch"] == "trunk"


def test_connections_are_dropped(circle: Circle) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        post(circle, "drop-connections", {})
    assert ask(circle, "/me").status == 200


@pytest.mark.parametrize(
    ("action", "document"),
    [
        ("runs", {"runs": [{"slug": "gh/acme/none", "workflow": "x"}]}),
        ("runs", {"runs": [{"surprise": 1}]}),
        ("runs", [1]),
        ("finish", {"runs": [{"run_id": "none"}]}),
        ("faults", {"faults": [{"kind": "none"}]}),
        ("projects", {"explode": [{}]}),
        ("clock", {"surprise": 1}),
    ],
)
def test_what_cannot_be_done_is_said(circle: Circle, action: str, document: Any) -> None:
    answer = post(circle, action, document)
    assert answer.status == 400
    assert "Error" in answer.json["message"]


def test_an_unknown_action_is_not_found(circle: Circle) -> None:
    assert post(circle, "explode", {}).status == 404
    assert fetch(circle, "/_control/faults").status == 404
