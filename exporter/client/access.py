"""One request: its token, time limit, metrics and verdict, whoever asks and whichever limiter lets it go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from exporter.client import body, headers
from exporter.client.download import Body, Downloads
from exporter.client.failures import judge, up
from exporter.client.limiter import Limiter, Slot
from exporter.client.transport import Answer, TokenAuth, Transport
from exporter.config import CircleCI, Secret, TokenSource
from exporter.errors import BlockedError, PayloadError, PollError, ThrottledError, UnauthorizedError
from exporter.insights.questions import Question
from exporter.telemetry import Telemetry

LONGEST_NAME = 300
SPARE = 4
"""Connections that are kept beyond those of the settings: for whoever asks by a limiter of its own."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all requests of a process have in common; `clock` is that of deadlines, `wall` tells seconds since 1970."""

    telemetry: Telemetry
    stop: threading.Event
    version: str
    clock: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Access:
    """By which settings, token and connections one API is asked; `path` is that of its root.

    One that is `beside` belongs to another host: it says nothing of CircleCI's API of projects.
    """

    path: str
    auth: str
    timeout: float
    tokens: TokenSource
    beside: bool
    around: Surroundings
    transport: Transport
    downloads: Downloads

    @classmethod
    def opened(cls, settings: CircleCI, tokens: TokenSource, around: Surroundings, other_url: str = "") -> Self:
        """To `circleci.url`, or with the same settings to another URL.

        Raises StartError when the proxy of the environment or `ca_file` cannot be used.
        """
        url, ca_file, version, stop = other_url or settings.api_url, settings.ca_file, around.version, around.stop
        return cls(
            urlsplit(url).path,
            settings.auth,
            settings.timeout,
            tokens,
            bool(other_url),
            around,
            Transport(url, ca_file=ca_file, size=settings.concurrency + SPARE, version=version, stop=stop),
            Downloads(ca_file=ca_file, timeout=settings.timeout, version=version, stop=stop),
        )

    def ask(self, question: Question, by: Limiter, document: object = None) -> tuple[object, float | None]:
        """The decoded answer to a question of one page, and its date in Unix seconds. Raises PollError or Stopped.

        It is asked once, by a limiter of its source: so it tells nothing of whether CircleCI can be asked. A `document`
        is posted.
        """
        target = self.target(question)
        with by.slot(target, self.around.clock() + self.timeout, patient=True) as slot:
            answer, failure = self.request(question, target, self.tokens.current(), slot, document)
        if failure is None:
            try:
                return body.decode(answer.body), headers.date(answer.headers)
            except PollError as error:
                failure = error.with_traceback(None)  # or it would keep the body
        if isinstance(failure, UnauthorizedError):
            self.tokens.refresh()  # for the next question
        raise named(failure, target if self.beside else question.endpoint, "GET" if document is None else "POST")

    def request(
        self, question: Question, target: str, token: Secret, slot: Slot, document: object = None
    ) -> tuple[Answer, PollError | None]:
        """One request, and what its answer says to the limiter. Raises UnauthorizedError or Stopped."""
        clock, telemetry = self.around.clock, self.around.telemetry
        began = clock()
        timeout = min(self.timeout, slot.deadline - began)
        answer = self.transport.send(target, TokenAuth(self.auth, token), timeout, document)
        failure = judge(answer, token.reveal())
        code = "error" if answer.status is None else str(answer.status)
        telemetry.request(question.endpoint, code, clock() - began, beside=self.beside)
        if found := headers.quotas(answer.headers):
            slot.quota(found)
        if failure is not None:
            failure = type(failure)(body.hidden(str(failure), token.reveal()))  # a server may echo what it was sent
            failure.retry_after = headers.retry_after(answer.headers, self.around.wall())
        match failure:
            case ThrottledError():
                slot.refused(failure.retry_after)
            case BlockedError():
                slot.blocked(failure.retry_after)
            case _ if up(answer, failure):
                slot.succeeded()
        return answer, failure

    def download(self, url: str, endpoint: str) -> AbstractContextManager[Body]:
        """Open a file of any host, which gets no token. Raises PollError or Stopped, also while it is read."""
        clock, telemetry = self.around.clock, self.around.telemetry
        began = clock()
        return self.downloads.open(url, lambda code: telemetry.request(endpoint, code, clock() - began, beside=True))

    def target(self, question: Question, page_token: str | None = None) -> str:
        """Path and query as they are sent. Raises PayloadError."""
        params = question.params if page_token is None else (*question.params, ("page-token", page_token))
        try:
            query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
            path = f"{self.path}{question.path}"
        except UnicodeEncodeError:
            raise PayloadError("a name or a page token is not valid Unicode") from None
        return f"{path}?{query}" if query else path

    def close(self) -> None:
        """Close the kept connections; requests under way end by themselves."""
        self.transport.close()


def named(failure: PollError, path: str, method: str = "GET") -> PollError:
    """A failure whose text names what was asked."""
    found = type(failure)(f"{method} {path[:LONGEST_NAME]}: {failure}")
    found.retry_after = failure.retry_after
    return found
