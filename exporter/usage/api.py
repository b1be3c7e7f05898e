"""CircleCI's API of Usage exports over HTTP: start an export, look at one, download its files."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from urllib.parse import quote, urlsplit

from exporter import __version__
from exporter.client import Limiter, body, headers
from exporter.client.auth import TokenAuth
from exporter.client.download import Body, Downloads
from exporter.client.transport import Answer, Transport
from exporter.client.verdict import judge
from exporter.config import CircleCI, TokenSource
from exporter.errors import NotFoundError, PayloadError, ServerError, ThrottledError, UnauthorizedError
from exporter.insights.payloads import Unreadable
from exporter.runs.pipelines import identifier
from exporter.telemetry import Telemetry
from exporter.usage.planning import HOUR, Start, written

EXPORTS = "/organizations/{id}/usage_export_job"
EXPORT = f"{EXPORTS}/{{job}}"
FILE = "usage file"
"""Label `endpoint` of downloads: their URLs are credentials."""
RATE, BURST, CONCURRENCY = 1.0, 10, 4
"""Requests per second of all organizations together, at once, and under way."""
COMPLETED, FAILED = "completed", "failed"
UNDER_WAY = ("created", "processing")


class HeldBackError(ThrottledError):
    """CircleCI refuses calls for this organization for some seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class LostError(NotFoundError):
    """CircleCI does not know an export."""


class FailedError(ServerError):
    """CircleCI says that an export failed."""


class UsageApi:
    """Asks about exports, from any number of threads. Nothing is asked again: a start twice would be two exports."""

    def __init__(
        self,
        settings: CircleCI,
        environ: Mapping[str, str],
        limiter: Limiter,
        telemetry: Telemetry,
        stop: threading.Event,
    ) -> None:
        """Read the token. Raises ConfigError without one, StartError if the proxy or `ca_file` is unusable."""
        self.settings = circleci = settings
        self._auth, self._timeout, self._tokens = circleci.auth, circleci.timeout, TokenSource(circleci, environ)
        self._limiter, self._telemetry, self._root = limiter, telemetry, urlsplit(circleci.api_url).path
        self._transport = Transport(
            circleci.api_url, ca_file=circleci.ca_file, size=CONCURRENCY, version=__version__, stop=stop
        )
        self._downloads = Downloads(ca_file=circleci.ca_file, timeout=circleci.timeout, version=__version__, stop=stop)

    def start(self, organization: str, window: Start) -> str:
        """Start an export of some days of an organization, by its UUID; returns the export's id. Raises PollError."""
        document = {"start": written(window.first), "end": written(window.end)}
        path = EXPORTS.format(id=quote(organization, safe=""))
        return _id_of(self._ask("POST", EXPORTS, path, organization, document))

    def look(self, organization: str, export: str) -> tuple[str, ...] | None:
        """The URLs of a completed export's files, which are credentials; None while it is under way.

        Raises LostError or FailedError for an export that comes to nothing, or another PollError.
        """
        path = EXPORT.format(id=quote(organization, safe=""), job=quote(export, safe=""))
        try:
            return _urls(self._ask("GET", EXPORT, path, organization))
        except NotFoundError as error:
            raise LostError(str(error)) from None

    def download(self, url: str) -> AbstractContextManager[Body]:
        """Open a file. Raises PollError, also while it is read."""
        began = time.monotonic()
        return self._downloads.open(
            url, lambda code: self._telemetry.request(FILE, code, time.monotonic() - began, beside=True)
        )

    def close(self) -> None:
        """Close the kept connections; requests under way end by themselves."""
        self._transport.close()

    def _ask(self, method: str, endpoint: str, path: str, of: str, document: object = None) -> object:
        target = f"{self._root}{path}"
        with self._limiter.slot(of, time.monotonic() + self._timeout, patient=True) as slot:
            began, token = time.monotonic(), self._tokens.current()
            auth, timeout = TokenAuth(self._auth, token), min(self._timeout, slot.deadline - began)
            answer = (
                self._transport.get(target, auth, timeout)
                if document is None
                else self._transport.post(target, auth, document, timeout)
            )
        code = "error" if answer.status is None else str(answer.status)
        self._telemetry.request(endpoint, code, time.monotonic() - began)
        secret = token.reveal()
        failure = judge(answer, secret)
        if failure is None:
            return body.decode(answer.body)
        if isinstance(failure, UnauthorizedError):
            self._tokens.refresh()  # for the next call
        words = f"{method} {endpoint}: {body.hidden(str(failure), secret)}"
        raise HeldBackError(words, _pause(answer)) if isinstance(failure, ThrottledError) else type(failure)(words)


def _pause(answer: Answer) -> float:
    """Seconds for which CircleCI wants no more calls: those that it names, at most a day, or an hour."""
    named = headers.retry_after(answer.headers, time.time())
    return HOUR if named is None else min(named, 24 * HOUR)


def _id_of(payload: object) -> str:
    try:
        return identifier(payload.get("usage_export_job_id") if isinstance(payload, dict) else None)
    except Unreadable:
        raise PayloadError(f"POST {EXPORTS}: the answer has no usage_export_job_id") from None


def _urls(payload: object) -> tuple[str, ...] | None:
    if not isinstance(payload, dict):
        raise PayloadError(f"GET {EXPORT}: the answer is not an object")
    state, why, urls = (payload.get(field) for field in ("state", "error_reason", "download_urls"))
    if state == FAILED:
        raise FailedError(
            f"the export failed: {(body.clean(why) if isinstance(why, str) else '') or 'no reason given'}"
        )
    if state not in (COMPLETED, *UNDER_WAY):  # compared, since it may be a list
        raise PayloadError(f"GET {EXPORT}: the answer has no known state")
    if state != COMPLETED:
        return None
    if not isinstance(urls, list | None):  # null where nothing ran
        raise PayloadError(f"GET {EXPORT}: download_urls is not a list")
    if not all(isinstance(url, str) for url in urls or ()):
        raise PayloadError(f"GET {EXPORT}: download_urls has something that is no text")
    return tuple(urls or ())
