"""CircleCI's runner API over HTTP. Its host, rate and failures say nothing about the API of projects."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from exporter import __version__
from exporter.client import body, headers
from exporter.client.auth import TokenAuth
from exporter.client.limiter import Limiter, Slot
from exporter.client.transport import Answer, Transport
from exporter.client.verdict import judge
from exporter.config import Config, TokenSource
from exporter.errors import BlockedError, PollError, ThrottledError, UnauthorizedError
from exporter.insights.questions import Question
from exporter.telemetry import Telemetry

ROOT = "/api/v3"
RATE, BURST, CONCURRENCY = 10.0, 20, 16
"""Requests per second, at once after a quiet time, and under way: enough that some that hang hold up no others."""


class RunnerApi:
    """Asks one runner API, from any number of threads."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], limiter: Limiter, telemetry: Telemetry, stop: threading.Event
    ) -> None:
        """Read the token. Raises ConfigError without one, StartError if the proxy or `ca_file` is unusable."""
        circleci, url = config.circleci, config.runners.url
        self._timeout, self._tokens = circleci.timeout, TokenSource(circleci, environ)
        self._limiter, self._telemetry, self._root = limiter, telemetry, f"{urlsplit(url).path}{ROOT}"
        self._transport = Transport(url, ca_file=circleci.ca_file, size=CONCURRENCY, version=__version__, stop=stop)

    def ask(self, question: Question) -> tuple[object, float | None]:
        """The decoded answer, and the API's clock in Unix seconds if it says it. Raises PollError or Stopped.

        Nothing is asked again: the next poll is soon.
        """
        target = f"{question.path}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in question.params)
        with self._limiter.slot(target, time.monotonic() + self._timeout, patient=True) as slot:
            answer, failure = self._request(question, f"{self._root}{target}", slot)
        if failure is not None:
            raise type(failure)(f"GET {ROOT}{target}: {failure}")
        return body.decode(answer.body), headers.date(answer.headers)

    def close(self) -> None:
        """Close the kept connections; requests under way end by themselves."""
        self._transport.close()

    def _request(self, question: Question, target: str, slot: Slot) -> tuple[Answer, PollError | None]:
        began, token = time.monotonic(), self._tokens.current()
        timeout = min(self._timeout, slot.deadline - began)
        answer = self._transport.get(target, TokenAuth("circle-token", token), timeout)
        code = "error" if answer.status is None else str(answer.status)
        self._telemetry.request(question.endpoint, code, time.monotonic() - began, beside=True)
        failure = judge(answer, token.reveal())
        pause = headers.retry_after(answer.headers, time.time())
        match failure:
            case None:
                slot.succeeded()
            case ThrottledError():
                slot.refused(pause)
            case BlockedError():
                slot.blocked(pause)
            case UnauthorizedError():
                self._tokens.refresh()  # for the next poll
        if failure is not None:  # a server may echo what it was sent
            failure = type(failure)(body.hidden(str(failure), token.reveal()))
        return answer, failure
