"""CircleCI's API of Usage exports: start an export, look at one, download its files."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from exporter.client import Client, Limiter, body
from exporter.client.download import Body
from exporter.errors import NotFoundError, PayloadError, ServerError, ThrottledError
from exporter.insights.payloads import Unreadable
from exporter.insights.questions import Question
from exporter.runs.pipelines import identifier
from exporter.usage.families import COLLECTOR
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
    """CircleCI refuses calls for this organization."""

    @property
    def seconds(self) -> float:
        """For how long: as long as CircleCI names, at most a day, or an hour."""
        return HOUR if self.retry_after is None else min(self.retry_after, 24 * HOUR)


class LostError(NotFoundError):
    """CircleCI does not know an export."""


class FailedError(ServerError):
    """CircleCI says that an export failed."""


@dataclass(frozen=True, slots=True)
class UsageApi:
    """Asks about exports, from any number of threads, at the rate of its own limiter.

    Nothing is asked again: a start twice would be two exports.
    """

    client: Client
    limiter: Limiter

    def start(self, organization: str, window: Start) -> str:
        """Start an export of some days of an organization, by its UUID; returns the export's id. Raises PollError."""
        document = {"start": written(window.first), "end": written(window.end)}
        question = Question(COLLECTOR, EXPORTS, organization, id=organization)
        return _id_of(self._ask(question, document))

    def look(self, organization: str, export: str) -> tuple[str, ...] | None:
        """The URLs of a completed export's files, which are credentials; None while it is under way.

        Raises LostError or FailedError for an export that comes to nothing, or another PollError.
        """
        question = Question(COLLECTOR, EXPORT, organization, id=organization, job=export)
        try:
            return _urls(self._ask(question))
        except NotFoundError as error:
            raise LostError(str(error)) from None

    def download(self, url: str) -> AbstractContextManager[Body]:
        """Open a file. Raises PollError, also while it is read."""
        return self.client.access.download(url, FILE)

    def _ask(self, question: Question, document: object = None) -> object:
        try:
            return self.client.access.ask(question, self.limiter, document)[0]
        except ThrottledError as error:
            held_back = HeldBackError(str(error))
            held_back.retry_after = error.retry_after
            raise held_back from None


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
