"""What an answer means: the error that it stands for, and whether it is the API's own. Pure."""

from __future__ import annotations

from exporter.client import body
from exporter.client.transport import Answer
from exporter.errors import (
    BlockedError,
    ClientError,
    ForbiddenError,
    NotFoundError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    ServerError,
    ThrottledError,
    TruncatedError,
    UnauthorizedError,
)

OWN_CLASS: dict[int, type[PollError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    429: ThrottledError,
}
CLASSES: dict[int, type[PollError]] = {1: PayloadError, 3: RedirectError, 4: ClientError}
NOT_UP = (UnauthorizedError, ServerError, RedirectError, BlockedError, TruncatedError, RequestTimeout)


def judge(answer: Answer, secret: str) -> PollError | None:
    """The error that an answer stands for, or None for one whose body can be read.

    Its text has CircleCI's explanation, without `secret` if that is echoed in it.
    """
    status = answer.status
    if answer.failure is not None or status is None or 200 <= status < 300:  # noqa: PLR2004  success
        return answer.failure
    kind = OWN_CLASS.get(status) or CLASSES.get(status // 100, ServerError)
    if kind is ForbiddenError and not from_api(answer):
        return BlockedError("HTTP 403 that is not JSON: a content delivery network may be blocking this address")
    said = body.message(answer.body, secret)
    return kind(f"HTTP {status}: {said}" if said else f"HTTP {status}")


def up(answer: Answer, failure: PollError | None) -> bool | None:
    """Whether the API answered and took the token; None where a refusal for its rate tells nothing of that."""
    if isinstance(failure, ThrottledError):
        return None
    return from_api(answer) and not isinstance(failure, NOT_UP)


def from_api(answer: Answer) -> bool:
    """Whether an answer came from the API rather than from something on the way to it."""
    return answer.status is not None and body.is_json(answer.headers.get("Content-Type", ""), answer.body)
