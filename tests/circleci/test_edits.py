from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.demo.messages import json_reply
from tests.circleci import edits

REPLY = json_reply({"items": [{"name": "a", "metrics": {"mttr": 1}}, {"name": "b", "metrics": {"mttr": 2}}]})


def document(body: bytes) -> Any:
    return json.loads(body)


def test_a_value_is_replaced_at_its_path() -> None:
    found = document(edits.put(REPLY, "items.1.metrics.mttr", None).body)
    assert [row["metrics"]["mttr"] for row in found["items"]] == [1, None]


def test_a_star_stands_for_every_row_and_every_key() -> None:
    found = document(edits.put(REPLY, "items.*.metrics.*", 7).body)
    assert [row["metrics"]["mttr"] for row in found["items"]] == [7, 7]


def test_a_key_that_is_not_there_is_added_but_never_a_row() -> None:
    assert document(edits.put(REPLY, "items.0.new", 1).body)["items"][0]["new"] == 1
    assert edits.put(REPLY, "items.9.name", "x").body == edits.put(REPLY, "none.0.name", "x").body
    assert document(edits.put(REPLY, "items.0.name.deeper", 1).body) == document(REPLY.body)


def test_a_key_is_dropped_where_it_is() -> None:
    assert document(edits.drop(REPLY, "items.0.name").body)["items"][0] == {"metrics": {"mttr": 1}}
    assert document(edits.drop(REPLY, "items.*.none").body) == document(REPLY.body)


@pytest.mark.parametrize("text", ["NaN", "9" * 6000, '"\\ud800"'])
def test_text_that_no_library_writes_stands_in_the_body(text: str) -> None:
    assert f'"mttr": {text}'.encode() in edits.put_raw(REPLY, "items.0.metrics.mttr", text).body
