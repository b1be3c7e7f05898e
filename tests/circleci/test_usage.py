from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from exporter.demo.times import whole_seconds
from tests.circleci import Circle
from tests.circleci.usage import FILE, LOOK, START, Gate
from tests.demo.asking import NOON, fetch
from tests.running.waiting import PATIENCE, wait_until
from tests.usage.making import DAY, row

if TYPE_CHECKING:
    from collections.abc import Iterator

MIDNIGHT = NOON // DAY * DAY


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0, quiet=True) as running:
        yield running


def started(circle: Circle) -> str:
    """Start an export of a day; the path to look at it."""
    exports = f"/api/v2/organizations/{circle.organization.roster.owners()['gh/acme'].id}/usage_export_job"
    window = {"start": whole_seconds(MIDNIGHT - DAY), "end": whole_seconds(MIDNIGHT)}
    answer = fetch(circle, exports, method="POST", body=json.dumps(window).encode())
    return f"{exports}/{answer.json['usage_export_job_id']}"


def file_of(circle: Circle, export: str) -> str:
    """The only file of an export."""
    (url,) = fetch(circle, export).json["download_urls"]
    return str(url).removeprefix(circle.url)


def test_an_export_has_the_rows_that_are_set_and_the_states_that_are_to_come(circle: Circle) -> None:
    circle.usage.rows(row(1))
    circle.usage.states = ["processing", "failed", "completed"]
    export = started(circle)
    answers = [fetch(circle, export).json for _ in range(2)]
    assert [answer["state"] for answer in answers] == ["processing", "failed"]
    assert answers[1]["error_reason"] == "the query was too large"
    target = file_of(circle, export)
    assert row(1)["JOB_ID"] in gzip.decompress(fetch(circle, target, headers={}).body).decode()
    assert circle.usage.windows == [(MIDNIGHT - DAY, MIDNIGHT)]
    assert [len(circle.asked(what)) for what in (START, LOOK, FILE)] == [1, 3, 1]
    assert [signature in target for signature in circle.usage.signatures] == [True]
    assert fetch(circle, export).json["state"] == "created"


def test_a_file_stops_in_its_middle_until_its_gate_is_opened(circle: Circle) -> None:
    circle.usage.rows(row(1))
    circle.usage.states = ["completed"]
    target, gate = file_of(circle, started(circle)), Gate(0.5)
    circle.next_answers(FILE, gate.stopping)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fetch, circle, target, headers={})
        wait_until(gate.reached.is_set, why="a half to be sent")
        assert not answer.done()
        gate.opened.set()
        assert gzip.decompress(answer.result(PATIENCE).body).count(b"\n") == 2
