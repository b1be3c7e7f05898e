from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from exporter.demo.runners import PREFIX
from tests.circleci.runners import RESOURCE, RUNNERS, RUNNING, TASKS, asking, runner
from tests.demo.asking import fetch

if TYPE_CHECKING:
    from tests.circleci import Circle


def of_class(circle: Circle, path: str, name: str) -> tuple[int, object]:
    answer = fetch(circle, f"{PREFIX}{path}?resource-class={quote(name, safe='')}")
    return answer.status, answer.json


def test_there_is_what_was_set_and_nothing_else(circle: Circle) -> None:
    assert of_class(circle, TASKS, "acme/gpu")[0] == 200
    circle.runners.resource_class("acme/a", 3, None, (runner("acme/a"),))
    circle.runners.namespace("acme", ("acme/a",))
    assert of_class(circle, TASKS, "acme/a") == (200, {"unclaimed_task_count": 3})
    assert of_class(circle, RUNNING, "acme/a") == (200, {"running_runner_tasks": None})
    assert of_class(circle, RUNNERS, "acme/a") == (200, {"items": [runner("acme/a")]})
    listed = fetch(circle, f"{PREFIX}{RESOURCE}?namespace=acme").json["items"]
    assert [each["resource_class"] for each in listed] == ["acme/a"]
    assert of_class(circle, TASKS, "acme/gpu")[0] == 404
    assert len(circle.asked(asking(TASKS, "acme/a"))) == 1


@pytest.mark.parametrize(
    "query", ["namespace=acme%2Fa", "resource-class=acme", "namespace=acme&resource-class=acme%2Fa"]
)
def test_a_filter_that_names_the_other_kind_and_two_filters_are_refused(circle: Circle, query: str) -> None:
    assert fetch(circle, f"{PREFIX}?{query}").status == 400
