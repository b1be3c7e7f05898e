from __future__ import annotations

import base64

import pytest

from exporter.demo.messages import Refused
from exporter.demo.paging import AGGREGATES, RUNS, page


def test_pages_join_to_the_whole() -> None:
    rows = list(range(45))
    found: list[int] = []
    token: str | None = None
    sizes = []
    while True:
        part = page(rows, AGGREGATES, token, "query")
        found += part["items"]
        sizes.append(len(part["items"]))
        token = part["next_page_token"]
        if token is None:
            break
    assert (found, sizes) == (rows, [20, 20, 5])


@pytest.mark.parametrize("count", [0, 1, 20])
def test_what_fits_on_one_page_has_no_token(count: int) -> None:
    assert page(list(range(count)), 20, None, "query") == {"items": list(range(count)), "next_page_token": None}


def test_rows_that_are_inserted_between_pages_shift_them() -> None:
    rows = list(range(300))
    first = page(rows, RUNS, None, "query")
    second = page([-1, *rows], RUNS, first["next_page_token"], "query")
    assert second["items"][0] == first["items"][-1]


@pytest.mark.parametrize("token", ["", "nonsense", "a b", base64.b64encode(b"20:forged").decode(), "größe", "AAAA"])
def test_a_token_that_was_not_given_is_refused(token: str) -> None:
    with pytest.raises(Refused) as refusal:
        page(list(range(45)), 20, token, "query")
    assert refusal.value.reply.status == 400


def test_a_token_of_another_query_is_refused() -> None:
    token = page(list(range(45)), 20, None, "one")["next_page_token"]
    with pytest.raises(Refused):
        page(list(range(45)), 20, token, "another")
