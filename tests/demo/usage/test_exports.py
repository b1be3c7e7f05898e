"""The synthetic Usage export API is as strict as the real one."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter.demo.generated import DAY
from exporter.demo.times import whole_seconds
from exporter.demo.usage.exports import CALLS_AN_HOUR, READY_AFTER
from tests.circleci import Circle
from tests.demo.asking import NOON, Answer, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

MIDNIGHT = NOON // DAY * DAY


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0) as running:
        yield running


def path(circle: Circle, job: str = "") -> str:
    owner = circle.organization.roster.owners()["gh/acme"]
    return f"/api/v2/organizations/{owner.id}/usage_export_job{job and f'/{job}'}"


def start(circle: Circle, begin: float = MIDNIGHT - DAY, end: float = MIDNIGHT, **more: Any) -> Answer:
    document = {"start": whole_seconds(begin), "end": whole_seconds(end), **more}
    return fetch(circle, path(circle), method="POST", body=json.dumps(document).encode())


def completed(circle: Circle, job: str) -> list[str]:
    circle.clock.advance(READY_AFTER)
    answer = fetch(circle, path(circle, job)).json
    assert answer["state"] == "completed"
    return [url.removeprefix(circle.url) for url in answer["download_urls"] or ()]


def test_an_export_is_created_then_processing_then_completed_with_files(circle: Circle) -> None:
    created = start(circle)
    assert (created.status, created.json["state"], created.json["download_urls"]) == (201, "created", None)
    job = created.json["usage_export_job_id"]
    circle.clock.advance(2)
    assert fetch(circle, path(circle, job)).json["state"] == "processing"
    (target,) = completed(circle, job)
    file = fetch(circle, target, headers={})
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(file.body).decode(), newline="")))
    assert len(rows) > 100
    assert {row["ORGANIZATION_NAME"] for row in rows} == {"acme"}


def test_urls_are_new_at_each_look_and_expire(circle: Circle) -> None:
    job = start(circle).json["usage_export_job_id"]
    (first,) = completed(circle, job)
    (second,) = completed(circle, job)
    assert first != second
    circle.clock.advance(40 * 3600)
    expired = fetch(circle, first, headers={})
    assert (expired.status, expired.headers["content-type"]) == (403, "application/xml")
    assert fetch(circle, second + "0", headers={}).status == 403


def test_a_file_is_refused_to_whoever_sends_the_token_too(circle: Circle) -> None:
    (target,) = completed(circle, start(circle).json["usage_export_job_id"])
    assert fetch(circle, target).status == 400
    assert fetch(circle, target, headers={"Authorization": "Bearer x"}).status == 400


def test_a_window_without_rows_is_completed_without_files() -> None:
    with Circle(start=NOON, speed=0, quiet=True) as circle:
        assert completed(circle, start(circle).json["usage_export_job_id"]) == []


@pytest.mark.parametrize(
    ("begin", "end", "more"),
    [
        (MIDNIGHT - DAY, NOON + 1, {}),
        (MIDNIGHT - 32 * DAY, MIDNIGHT, {}),
        (MIDNIGHT - 367 * DAY, MIDNIGHT - 366 * DAY, {}),
        (MIDNIGHT, MIDNIGHT, {}),
        (MIDNIGHT - DAY, MIDNIGHT, {"ends": 1}),
    ],
)
def test_a_window_that_is_not_allowed_is_refused(
    circle: Circle, begin: float, end: float, more: dict[str, Any]
) -> None:
    assert start(circle, begin, end, **more).status == 400


def test_a_malformed_body_an_unknown_export_and_another_method_are_refused(circle: Circle) -> None:
    assert fetch(circle, path(circle), method="POST", body=b'{"start": "soon"}').status == 400
    assert fetch(circle, path(circle), method="POST", body=b"[]").status == 400
    unknown = fetch(circle, path(circle, "72e1c065-92a4-4fb6-b0c7-e8f90a1b2c3d"))
    assert (unknown.status, unknown.json) == (404, {"message": "Usage export not found."})
    assert fetch(circle, path(circle)).status == 405
    assert fetch(circle, "/api/v2/organizations/x/usage_export_job", method="POST").status == 404
    assert fetch(circle, path(circle), method="POST", headers={}).status == 401


def test_ten_starts_and_ten_looks_an_hour_are_allowed(circle: Circle) -> None:
    answers = [start(circle) for _ in range(CALLS_AN_HOUR + 1)]
    assert [answer.status for answer in answers] == [201] * CALLS_AN_HOUR + [429]
    job = answers[0].json["usage_export_job_id"]
    assert [fetch(circle, path(circle, job)).status for _ in range(11)] == [200] * CALLS_AN_HOUR + [429]
    circle.clock.advance(3601)
    assert start(circle).status == 201
