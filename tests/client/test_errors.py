"""Every error has a type and a bounded reason."""

from __future__ import annotations

from exporter import errors
from exporter.errors import REASONS, BlockedError, ConfigError, ForbiddenError, PollError, Problem, UnexpectedValue

# Written against by dashboards and alerts.
CONTRACT = (
    "payload, too_large, pagination, redirect, timeout, connection, truncated, server, client, unauthorized, "
    "forbidden, not_found, throttled, deadline, state, internal"
)


def test_the_reasons_are_those_that_alerts_are_written_against() -> None:
    assert ", ".join(REASONS) == CONTRACT


def test_every_poll_error_has_one_of_the_reasons_and_every_reason_an_error() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, PollError) and kind is not PollError
    ]
    assert {kind.reason for kind in kinds} == set(REASONS)
    assert issubclass(BlockedError, ForbiddenError)


def test_a_problem_names_the_place_what_was_found_and_what_is_allowed() -> None:
    first = UnexpectedValue(
        "config.yaml:3:5", "projects[0].windows[1]", "'last-week'", "one of last-7-days, last-30-days"
    )
    second = Problem("config.yaml", "", "no such file")
    assert str(ConfigError((first, second))) == (
        "config.yaml:3:5: projects[0].windows[1]: found 'last-week'; expected one of last-7-days, last-30-days\n"
        "config.yaml: no such file"
    )
