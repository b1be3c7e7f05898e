from __future__ import annotations

import pytest

from exporter.client.contact import Contact
from exporter.errors import (
    BlockedError,
    ConnectionFailed,
    DeadlineError,
    ForbiddenError,
    GarbledError,
    NotFoundError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    ServerError,
    StateError,
    ThrottledError,
    TruncatedError,
    UnauthorizedError,
)

OF_ALL = [
    BlockedError,
    ConnectionFailed,
    GarbledError,
    RedirectError,
    RequestTimeout,
    ServerError,
    TruncatedError,
    UnauthorizedError,
]


@pytest.mark.parametrize("kind", OF_ALL)
def test_a_failure_that_every_question_may_meet_is_doubted_once_until_the_light_question_was_asked(
    kind: type[PollError],
) -> None:
    contact = Contact()
    assert contact.doubt(kind("1"), 10)
    assert not contact.doubt(kind("2"), 11), "another has it asked"
    assert contact.doubted
    contact.found(None, 12)
    assert contact.failure() is None


@pytest.mark.parametrize(
    "kind", [DeadlineError, ForbiddenError, NotFoundError, PayloadError, StateError, ThrottledError]
)
def test_a_failure_of_one_question_is_not_doubted(kind: type[PollError]) -> None:
    assert not Contact().doubt(kind("1"), 10)


def test_an_answer_since_the_question_began_says_that_circleci_answers() -> None:
    contact = Contact()
    contact.answered(10)
    assert not contact.doubt(ServerError("500"), 9)
    assert contact.doubt(ServerError("500"), 10.1)


def test_of_a_refused_token_only_the_light_question_says_more() -> None:
    contact = Contact()
    contact.answered(10)
    assert contact.doubt(UnauthorizedError("401"), 9)
    contact.found(None, 11)
    assert not contact.doubt(UnauthorizedError("401"), 10.5)
    assert contact.doubt(UnauthorizedError("401"), 11.5)


def test_while_contact_is_lost_every_question_meets_the_same_failure_as_one_that_was_not_asked() -> None:
    contact = Contact()
    contact.doubt(ConnectionFailed("1"), 10)
    contact.found(UnauthorizedError("GET /me: 401"), 11)
    assert not contact.held
    for _ in range(2):
        failure = contact.failure()
        assert isinstance(failure, UnauthorizedError)
        assert (str(failure), failure.held) == ("GET /me: 401", True)
    assert contact.lost is not None
    assert not contact.lost.held
    assert not contact.doubt(ConnectionFailed("2"), 12)
    contact.found(None, 13)
    assert contact.held


@pytest.mark.parametrize("lost", [None, ConnectionFailed("gone")])
def test_a_light_question_that_could_not_be_asked_changes_nothing(lost: PollError | None) -> None:
    contact = Contact()
    contact.found(lost, 10)
    contact.doubt(ServerError("500"), 11)
    contact.unknown()
    assert (contact.lost, contact.doubted) == (lost, False)
