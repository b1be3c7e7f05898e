"""A plain client of the synthetic CircleCI."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.circleci import Circle

NOON = 1_790_078_400.0
"""2026-09-22T12:00:00Z, a Tuesday: where clocks of these tests stand."""
DAY = 86_400
WEB, API, MOBILE = "gh/acme/web", "gh/acme/api", "gh/acme/mobile"
ODD, BILLING, PLATFORM = "gh/acme/odd.names_1", "bb/initech/billing", "circleci/8vLqd1AbCdEf/43G3kM5RtfFE"
WEEK, QUARTER = "last-7-days", "last-90-days"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(circle: Circle, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Ask once, below /api/v2, with the token unless headers are given."""
    return fetch(circle, f"/api/v2{path}", method=method, headers=headers)


def fetch(
    circle: Circle,
    target: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Ask once, for any target."""
    host = circle.url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    try:
        given = {"Circle-Token": circle.token} if headers is None else headers
        connection.request(method, target, body, given)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def post(circle: Circle, action: str, document: object) -> Answer:
    """Drive it by its control routes."""
    return fetch(circle, f"/_control/{action}", method="POST", body=json.dumps(document).encode())


def all_rows(circle: Circle, path: str) -> list[dict[str, Any]]:
    """Read every page."""
    rows: list[dict[str, Any]] = []
    token: str | None = ""
    while token is not None:
        joint = "&" if "?" in path else "?"
        page = ask(circle, f"{path}{joint}page-token={token}" if token else path).json
        rows += page["items"]
        token = page["next_page_token"]
    return rows
