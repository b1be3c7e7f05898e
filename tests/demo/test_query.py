from __future__ import annotations

import pytest

from exporter.demo import query as q
from exporter.demo.messages import Refused
from exporter.demo.query import Query

ALLOWED = (q.BRANCH, q.ALL_BRANCHES, q.WINDOW, q.PAGE_TOKEN, q.START, q.END, q.GRANULARITY, q.PROJECTS)


def test_values_are_decoded() -> None:
    query = Query("branch=release%2F2.0+x&all-branches=true&project-names=a&project-names=b", ALLOWED)
    assert query.one(q.BRANCH) == "release/2.0 x"
    assert query.flag(q.ALL_BRANCHES)
    assert query.every(q.PROJECTS) == ["a", "b"]


def test_without_a_query_there_are_defaults() -> None:
    query = Query("", ALLOWED)
    assert query.one(q.BRANCH) is None
    assert not query.flag(q.ALL_BRANCHES)
    assert query.window == "last-90-days"
    assert query.time(q.START, 7.0) == 7.0


def test_times_may_be_dates() -> None:
    query = Query("start-date=2026-09-22&end-date=2026-09-22T12:00:00Z", ALLOWED)
    assert query.time(q.END, 0) - query.time(q.START, 0) == 43_200


@pytest.mark.parametrize(
    "text",
    [
        "unknown=1",
        "reporting-window=last-8-days",
        "reporting-window=",
        "branch=",
        "page-token=",
        "all-branches=yes",
        "granularity=weekly",
        "start-date=yesterday",
        "branch=a&branch=b",
        "end-date=2026-09-22",
        "start-date=2026-01-01&end-date=2026-09-22",
        "start-date=2026-09-22&end-date=2026-09-21",
        "branch",
        "branch=%FF",
        "&&",
    ],
)
def test_whatever_is_not_right_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        Query(text, ALLOWED)
    assert refusal.value.reply.status == 400


def test_a_page_token_belongs_to_all_parameters_but_itself_in_any_order() -> None:
    one = Query("branch=a&reporting-window=last-7-days", ALLOWED).identity()
    assert Query("reporting-window=last-7-days&page-token=x&branch=a", ALLOWED).identity() == one
    assert Query("branch=b&reporting-window=last-7-days", ALLOWED).identity() != one
    assert Query("branch=a", ALLOWED).identity() != one
