"""Every error of the exporter. Each question to CircleCI without a usable answer has a bounded `reason`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self


class ExporterError(Exception):
    """The root: every error that the exporter raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: its place, what is wrong there, and what to do about it where that needs saying."""

    file: str
    path: str
    found: str
    allowed: str = ""

    @property
    def place(self) -> str:
        """The file, with line and column where known, and the path inside it."""
        return f"{self.file}: {self.path}" if self.path else self.file

    @property
    def what(self) -> str:
        """What is wrong, such as `unknown key`."""
        return self.found

    @property
    def hint(self) -> str:
        """What to do about it; empty where that is plain."""
        return self.allowed

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.hint}" if self.hint else f"{self.place}: {self.what}"


class UnexpectedValue(Problem):
    """A value that is not what is allowed in its place."""

    __slots__ = ()

    @property
    def what(self) -> str:
        """What was found."""
        return f"found {self.found}"

    @property
    def hint(self) -> str:
        return f"expected {self.allowed}"


class ConfigError(ExporterError):
    """A file that cannot be used, with all its problems: exit code 2."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep the problems in the order in which they stand in the file."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

    @classmethod
    def of(cls, file: str, path: str, what: str, hint: str = "") -> Self:
        """Return the error of a file with one problem."""
        return cls((Problem(file, path, what, hint),))


class StartError(ExporterError):
    """The process cannot start: a port, a certificate or the state cannot be used. Exit code 1."""


class OutputError(ExporterError):
    """Standard output takes nothing more. Exit code 1."""


class Stopped(ExporterError):  # noqa: N818  it is no error of anyone's
    """The process is ending; whatever waited gives up."""


class PollError(ExporterError):
    """One question has no usable answer. `ends_poll` says that asking on would be of no use.

    `of_all` says that every other question may meet the same. One that was `held` was not even asked, since another
    had met it. `retry_after` are the seconds after which CircleCI wants to be asked again, where it said so.
    """

    reason: ClassVar[str]
    ends_poll: ClassVar[bool] = False
    of_all: ClassVar[bool] = False
    held = False
    retry_after: float | None = None


class PayloadError(PollError):
    """The body is not what the API documents."""

    reason = "payload"


class GarbledError(PayloadError):
    """The body is no JSON, or no gzip: it may come whole when it is asked again, or be of something on the way."""

    of_all = True


class ConflictError(PayloadError):
    """Two rows of the same labels differ: the list may have shifted while its pages were read."""


class TooLargeError(PollError):
    """The body is too large."""

    reason = "too_large"


class PaginationError(PollError):
    """A page token repeated, or the pages do not end."""

    reason = "pagination"


class RedirectError(PollError):
    """A redirect. None is followed: the token goes to one host only."""

    reason = "redirect"
    of_all = True


class RequestTimeout(PollError):  # noqa: N818  named as requests and asyncio name theirs
    """The request or its connection took longer than `circleci.timeout`."""

    reason = "timeout"
    ends_poll = of_all = True


class ConnectionFailed(PollError):  # noqa: N818  ConnectionError is a builtin
    """No connection: refused, reset, TLS, proxy or name resolution."""

    reason = "connection"
    ends_poll = of_all = True


class TruncatedError(PollError):
    """The body ended early."""

    reason = "truncated"
    of_all = True


class ServerError(PollError):
    """A 5xx status."""

    reason = "server"
    of_all = True


class ClientError(PollError):
    """Another 4xx status."""

    reason = "client"


class UnauthorizedError(PollError):
    """401: CircleCI refuses the token."""

    reason = "unauthorized"
    ends_poll = of_all = True


class ForbiddenError(PollError):
    """403: the token may not see this, or a content delivery network blocks this address."""

    reason = "forbidden"


class BlockedError(ForbiddenError):
    """403 without JSON: a content delivery network's block, not CircleCI's own answer."""

    ends_poll = of_all = True


class NotFoundError(PollError):
    """404 or 410: it does not exist, no longer exists, or the token cannot see it."""

    reason = "not_found"


class ThrottledError(PollError):
    """429 until the poll ran out of time."""

    reason = "throttled"
    ends_poll = True


class DeadlineError(PollError):
    """The poll ran out of time before the answer came."""

    reason = "deadline"
    ends_poll = True


class StateError(PollError):
    """The state refused a commit, so the poll counted nothing."""

    reason = "state"
    ends_poll = True


class InternalError(PollError):
    """A bug in the exporter. It ended one poll, nothing else."""

    reason = "internal"


REASONS: tuple[str, ...] = tuple(kind.reason for kind in PollError.__subclasses__())
