"""What a client gets of each fault that changes the answer."""

from __future__ import annotations

import gzip
import json
import zlib
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci.deliveries import DELIVERIES
from tests.circleci.kinds import KINDS
from tests.demo.asking import WEB, Answer, ask

if TYPE_CHECKING:
    from tests.circleci import Circle

PATH = f"/insights/{WEB}/workflows"


def broken(circle: Circle, kind: str, **options: Any) -> Answer:
    circle.fail(kind, times=1, **options)
    return ask(circle, PATH)


@pytest.mark.parametrize(
    ("kind", "status", "is_json"),
    [
        ("bad_request", 400, True),
        ("unauthorized", 401, True),
        ("forbidden", 403, True),
        ("cdn_block", 403, False),
        ("not_found", 404, True),
        ("throttle", 429, True),
        ("server_error", 500, True),
        ("bad_gateway", 502, False),
        ("unavailable", 503, True),
        ("html_200", 200, False),
        ("empty", 200, False),
    ],
)
def test_an_error_answer_has_its_status_and_kind_of_body(circle: Circle, kind: str, status: int, is_json: bool) -> None:
    answer = broken(circle, kind)
    assert answer.status == status
    assert answer.body.startswith(b'{"message"') == is_json


def test_any_status_can_be_answered(circle: Circle) -> None:
    answer = broken(circle, "status", code=418, body="tea", content_type="text/plain", headers={"X-Pot": "1"})
    assert (answer.status, answer.body, answer.headers["x-pot"]) == (418, b"tea", "1")
    assert answer.headers["content-type"] == "text/plain"


def test_a_refusal_tells_when_to_come_again_in_seconds_as_a_date_or_not_at_all(circle: Circle) -> None:
    assert broken(circle, "throttle", retry_after=7).headers["retry-after"] == "7"
    dated = broken(circle, "throttle", date_in=60).headers
    assert 50 < parsedate_to_datetime(dated["retry-after"]).timestamp() - time() < 62
    assert abs(parsedate_to_datetime(dated["date"]).timestamp() - time()) < 10
    assert broken(circle, "server_error").headers["date"] == "Tue, 22 Sep 2026 12:00:00 GMT"
    bare = broken(circle, "throttle", body="Rate limited.", content_type="text/plain")
    assert (bare.body, "retry-after" in bare.headers) == (b"Rate limited.", False)


def test_a_redirect_names_its_place(circle: Circle) -> None:
    answer = broken(circle, "redirect", to="http://127.0.0.1:1/elsewhere", code=307)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/elsewhere")


def test_headers_can_be_added_and_replaced(circle: Circle) -> None:
    assert broken(circle, "headers", headers={"X-Extra": "1"}).headers["x-extra"] == "1"
    assert broken(circle, "content_type", value="text/plain").headers["content-type"] == "text/plain"
    limits = broken(circle, "rate_headers", remaining=1, prefix="").headers
    assert (limits["ratelimit-remaining"], limits["ratelimit-limit"]) == ("1", "300")


def test_a_body_can_be_anything(circle: Circle) -> None:
    assert broken(circle, "body", text="\ud800 [1]").body == b"\xed\xa0\x80 [1]"


def test_compressed_answers_are_good_or_not(circle: Circle) -> None:
    good = broken(circle, "gzip")
    assert json.loads(gzip.decompress(good.body)) == ask(circle, PATH).json
    garbage = broken(circle, "gzip_garbage")
    assert garbage.headers["content-encoding"] == "gzip"
    with pytest.raises(zlib.error):
        gzip.decompress(garbage.body)
    bomb = broken(circle, "gzip_bomb", mib=8)
    assert len(bomb.body) < 64 * 1024 < 8 * 1024 * 1024 < len(gzip.decompress(bomb.body))


@pytest.mark.parametrize("kind", ["invalid_json", "invalid_utf8", "deep", "huge_integer"])
def test_some_bodies_cannot_be_decoded(circle: Circle, kind: str) -> None:
    answer = broken(circle, kind)
    assert answer.status == 200
    with pytest.raises((ValueError, RecursionError)):
        json.loads(answer.body)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_need_not_be_finite(circle: Circle, value: str) -> None:
    rate = broken(circle, "nan", value=value).json["items"][0]["metrics"]["success_rate"]
    assert str(rate) in {"nan", "inf", "-inf"}


def test_a_name_can_hold_half_a_character(circle: Circle) -> None:
    assert broken(circle, "surrogate").json["items"][0]["name"] == "lone \ud800 surrogate"


def test_rows_lose_what_they_need(circle: Circle) -> None:
    assert "items" not in broken(circle, "missing_items").json
    assert isinstance(broken(circle, "items_object").json["items"], dict)
    assert "name" not in broken(circle, "nameless_row").json["items"][0]
    assert broken(circle, "row_is_text").json["items"][0] == "text"
    assert broken(circle, "text_number").json["items"][0]["metrics"]["total_runs"] == "12"
    assert broken(circle, "put", path="items.0.metrics", value=[]).json["items"][0]["metrics"] == []
    assert "metrics" not in broken(circle, "drop", path="items.0.metrics").json["items"][0]


def test_rows_come_twice(circle: Circle) -> None:
    names = [row["name"] for row in broken(circle, "duplicate_rows").json["items"]]
    assert names[::2] == names[1::2] != []


def test_pages_never_end(circle: Circle) -> None:
    circle.fail("endless_pages")
    tokens = []
    path = PATH
    for _ in range(3):
        tokens.append(ask(circle, path).json["next_page_token"])
        path = f"{PATH}?page-token={tokens[-1]}"
    assert len(set(tokens)) == 3


def test_a_page_token_comes_again(circle: Circle) -> None:
    circle.fail("repeated_token")
    assert ask(circle, PATH).json["next_page_token"] == "again"
    again = ask(circle, f"{PATH}?reporting-window=last-7-days&page-token=again").json
    assert (again["next_page_token"], len(again["items"])) == ("again", 3)


def test_a_page_token_can_have_a_wrong_type(circle: Circle) -> None:
    assert broken(circle, "bad_token").json["next_page_token"] == 7
    assert broken(circle, "bad_token", value={"a": 1}).json["next_page_token"] == {"a": 1}


def test_faults_of_the_body_keep_asking_for_the_token(circle: Circle) -> None:
    circle.fail("duplicate_rows")
    assert ask(circle, PATH, headers={}).status == 401


def test_there_are_many_kinds_and_each_delivery_is_one_of_them() -> None:
    assert len(KINDS) >= 40
    reachable = {kind for kind in KINDS if kind in DELIVERIES} | {"whole", "delayed"}
    assert reachable == set(DELIVERIES)
