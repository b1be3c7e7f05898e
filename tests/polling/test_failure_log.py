"""What is logged when something starts and when it ends, and nothing in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from structlog.testing import CapturingLogger

from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.polling.failure_log import FailureLog
from tests.samples import NOW, project

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


def test_a_refused_token_is_told_once_for_all_projects_and_ends_with_the_first_that_is_good() -> None:
    told = Told()
    for slug in ("gh/acme/web", "gh/acme/api"):
        told.reports.outcomes(with_outcome(slug=slug), with_outcome("unauthorized", slug))
    told.reports.outcomes(with_outcome("unauthorized"), with_outcome("connection"))
    for slug in ("gh/acme/api", "gh/acme/cli"):
        told.reports.outcomes(with_outcome("unauthorized", slug), with_outcome(slug=slug))
    assert told.events() == [
        ("error", "CircleCI rejects the token"),
        ("warning", "project is failing"),
        ("info", "CircleCI accepts the token again"),
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


def test_a_token_is_accepted_again_though_every_project_fails_for_another_reason() -> None:
    told = Told()
    told.reports.outcomes(with_outcome(), with_outcome("unauthorized"))
    told.reports.outcomes(with_outcome("unauthorized"), with_outcome("timeout"))
    assert told.events()[1:] == [("warning", "project is failing")]
    told.reports.outcomes(with_outcome("unauthorized"), with_outcome("not_found"))
    assert told.events()[2:] == [("info", "CircleCI accepts the token again")]


def test_what_an_earlier_poll_found_is_no_sign_of_an_accepted_token() -> None:
    told = Told()
    before = with_outcome()
    told.reports.outcomes(before, with_outcome("unauthorized"))
    told.reports.outcomes(before, before)
    assert told.events() == [("error", "CircleCI rejects the token")]


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
