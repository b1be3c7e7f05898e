"""The synthetic runner API is as strict as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.demo.runners import CLASSES
from tests.demo.asking import fetch

if TYPE_CHECKING:
    from tests.circleci import Circle

ROOT = "/api/v3/runner"


def test_a_namespace_has_resource_classes_and_runners_of_them(reference: Circle) -> None:
    found = fetch(reference, f"{ROOT}/resource?namespace=acme").json["items"]
    assert [entry["resource_class"] for entry in found] == [each.name for each in CLASSES]
    runners = fetch(reference, f"{ROOT}?namespace=acme").json["items"]
    assert len(runners) == sum(each.connected + each.lost for each in CLASSES)
    assert set(runners[0]) == {
        *("resource_class", "hostname", "name", "first_connected", "last_connected", "last_used", "ip", "version")
    }


def test_a_class_has_counts_and_its_own_runners(reference: Circle) -> None:
    for each in CLASSES:
        query = f"resource-class={each.name}"
        assert 0 <= fetch(reference, f"{ROOT}/tasks?{query}").json["unclaimed_task_count"] <= each.waiting
        assert 0 <= fetch(reference, f"{ROOT}/tasks/running?{query}").json["running_runner_tasks"] <= each.busy
        runners = fetch(reference, f"{ROOT}?{query}").json["items"]
        assert {entry["resource_class"] for entry in runners} <= {each.name}
        assert len(runners) == each.connected + each.lost


def test_tasks_come_and_go_while_time_passes(circle: Circle) -> None:
    seen = set()
    for _ in range(20):
        circle.clock.advance(60)
        seen.add(fetch(circle, f"{ROOT}/tasks?resource-class=acme/linux-large").body)
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/resource", 400),
        ("?namespace=acme&resource-class=acme/gpu", 400),
        ("/tasks?namespace=acme", 400),
        ("/tasks?resource-class=acme/gpu&resource-class=acme/gpu", 400),
        ("/tasks?resource-class=acme/none", 404),
        ("/resource?namespace=other", 404),
        ("/resources?namespace=acme", 404),
        ("s?namespace=acme", 404),
    ],
)
def test_what_the_api_does_not_know_is_an_error(reference: Circle, target: str, status: int) -> None:
    assert fetch(reference, f"{ROOT}{target}").status == status


def test_only_the_header_circle_token_is_accepted(reference: Circle) -> None:
    bearer = {"Authorization": f"Bearer {reference.token}"}
    assert fetch(reference, f"{ROOT}?namespace=acme", headers=bearer).status == 401
    assert fetch(reference, f"{ROOT}?namespace=acme", headers={"Circle-Token": "wrong"}).status == 401
    assert fetch(reference, f"{ROOT}?namespace=acme", method="POST").status == 405
