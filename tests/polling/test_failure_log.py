"""What is logged when something starts and when it ends, and nothing in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from structlog.testing import CapturingLogger

from exporter.errors import ConnectionFailed, RequestTimeout, ServerError, UnauthorizedError
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.polling.failure_log import FailureLog
from tests.knowledge.samples import NOW, project

if TYPE_CHECKING:
    from exporter.system.logs import Logger


def with_outcome(reason: str = "", slug: str = "gh/acme/web") -> Snapshot:
    outcome = Outcome(success=not reason, duration=1, finished_at=NOW, error=reason and "in words", reason=reason)
    return Snapshot(project(slug=slug), outcomes={"workflows": outcome})


class Told:
    """A failure log, and what they logged."""

    def __init__(self) -> None:
        self._log = CapturingLogger()
        self.reports = FailureLog(cast("Logger", self._log))

    def events(self) -> list[tuple[str, str]]:
        return [(call.method_name, str(call.args[0])) for call in self._log.calls]

    def fields(self) -> list[dict[str, object]]:
        return [call.kwargs for call in self._log.calls]


def test_a_failure_is_told_when_it_starts_and_when_it_ends() -> None:
    told, good, bad = Told(), with_outcome(), with_outcome("server")
    for before, after in (
        (good, good),
        (good, bad),
        (bad, bad),
        (bad, with_outcome("timeout")),
        (bad, good),
        (good, good),
    ):
        told.reports.outcomes(before, after)
    assert told.events() == [("warning", "project is failing"), ("info", "project recovered")]
    assert told.fields()[0] == {
        "project": "gh/acme/web",
        "collector": "workflows",
        "reason": "server",
        "error": "in words",
    }


def test_a_refused_token_is_told_once_for_all_projects_and_ends_when_it_is_taken_again() -> None:
    told, refused = Told(), UnauthorizedError("HTTP 401")
    told.reports.contact(refused)
    for slug in ("gh/acme/web", "gh/acme/api"):
        told.reports.outcomes(with_outcome(slug=slug), with_outcome("unauthorized", slug))
    told.reports.contact(refused)
    told.reports.contact(ConnectionFailed("gone"))
    told.reports.contact(refused)
    told.reports.outcomes(with_outcome("unauthorized"), with_outcome("connection"))
    told.reports.contact(None)
    for slug in ("gh/acme/api", "gh/acme/cli"):
        told.reports.outcomes(with_outcome("unauthorized", slug), with_outcome(slug=slug))
    told.reports.contact(None)
    assert told.events() == [("error", "CircleCI rejects the token"), ("info", "CircleCI accepts the token again")]


def test_an_unreachable_circleci_is_told_once_and_a_token_that_it_refuses_then_too() -> None:
    told = Told()
    told.reports.contact(None)
    for failure in (ConnectionFailed("refused"), ConnectionFailed("refused"), RequestTimeout("30 s")):
        told.reports.contact(failure)
    told.reports.contact(None)
    assert told.events() == [("warning", "CircleCI cannot be reached"), ("info", "CircleCI answers again")]
    assert told.fields()[0] == {"reason": "connection", "error": "refused"}
    told.reports.contact(ServerError("HTTP 502"))
    told.reports.contact(UnauthorizedError("HTTP 401"))
    told.reports.contact(None)
    assert [event for _, event in told.events()[2:]] == [
        "CircleCI cannot be reached",
        "CircleCI rejects the token",
        "CircleCI accepts the token again",
    ]


def test_a_project_that_fails_before_and_after_all_fail_is_told_once_and_others_are_not_told_to_recover() -> None:
    told, good = Told(), with_outcome()
    told.reports.outcomes(good, with_outcome("not_found"))
    told.reports.contact(ConnectionFailed("gone"))
    told.reports.outcomes(with_outcome("not_found"), with_outcome("connection"))
    told.reports.outcomes(with_outcome(slug="gh/acme/api"), with_outcome("connection", "gh/acme/api"))
    told.reports.contact(None)
    told.reports.outcomes(with_outcome("connection"), with_outcome("not_found"))
    told.reports.outcomes(with_outcome("connection", "gh/acme/api"), with_outcome(slug="gh/acme/api"))
    told.reports.outcomes(with_outcome("not_found"), good)
    assert [event for _, event in told.events()] == [
        "project is failing",
        "CircleCI cannot be reached",
        "CircleCI answers again",
        "project recovered",
    ]


def test_what_is_left_out_is_told_once_while_that_lasts_for_each_project_and_reason() -> None:
    told, start = Told(), with_outcome()
    first = replace(start, dropped={"max_series": 5, "branches": 0})
    second = replace(start, dropped={"max_series": 9, "branches": 2})
    for before, after in (
        (start, first),
        (first, second),
        (second, second),
        (second, replace(second, dropped={"max_series": 10, "branches": 2})),
    ):
        told.reports.dropped(before, after)
    assert [(fields["reason"], fields["count"]) for fields in told.fields()] == [
        ("max_series", 5),
        ("branches", 2),
        ("max_series", 1),
    ]


def test_what_one_kind_of_poll_leaves_out_is_told_apart_from_what_another_does() -> None:
    told, start = Told(), with_outcome()
    more = replace(start, dropped={"max_series": 5})
    for _ in range(3):
        told.reports.dropped(start, more)
        told.reports.dropped(more, more, "runs")
    assert len(told.fields()) == 1


def test_a_removed_project_is_forgotten_so_its_failure_is_told_when_it_comes_back() -> None:
    told, good, bad = Told(), with_outcome(), with_outcome("server")
    more = replace(bad, dropped={"max_series": 5})
    for _ in range(2):
        told.reports.outcomes(good, bad)
        told.reports.dropped(bad, more)
    told.reports.forget(["gh/acme/web"])
    told.reports.outcomes(good, bad)
    told.reports.dropped(bad, more)
    assert [event for _, event in told.events()] == ["project is failing", "limit exceeded, data dropped"] * 2
