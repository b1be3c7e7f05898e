"""CircleCI's webhooks: a signed body says where to look, and nothing in it is believed beyond that.

Nothing of a body is parsed before its signature is good. What a hint leads to is asked of CircleCI's API, so a
forged, repeated or missing event can cost a request, and never a wrong count.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.config import Secret, project_slug
from exporter.web.http.bodies import Bodies, BodyRefused, check_announced
from exporter.web.http.incidents import Incidents

PATH: Final = "/webhooks/circleci"
LARGEST_BODY: Final = 1024 * 1024
BODY_SECONDS: Final = 10.0
INBOX_SECONDS: Final = 5.0
"""How long an event waits for its turn and its commit: CircleCI takes an answer after 10 s for a failure."""
RETRY_AFTER: Final = "10"
MOST_SIGNATURES: Final = 8

Event = Literal["workflow-completed", "job-completed", "other"]
Result = Literal["accepted", "unsigned", "bad_signature", "unusable", "unknown_project", "too_large", "busy"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
RESULTS: Final[tuple[Result, ...]] = get_args(Result)

ANSWERS: Final[dict[Result, tuple[int, str]]] = {
    "accepted": (200, "accepted"),
    "unsigned": (401, "signature required"),
    "bad_signature": (401, "bad signature"),
    "unusable": (200, "ignored: not an event as CircleCI documents it"),
    "unknown_project": (200, "ignored: project not polled here"),
    "too_large": (413, "request body too large"),
    "busy": (503, "cannot take more events now"),
}
REFUSED: Final[dict[int, Result]] = {413: "too_large", 503: "busy"}
NOTED: Final[set[Result]] = {"unsigned", "bad_signature", "unusable", "too_large", "busy"}
"""What is logged, once a minute."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Unusable(Exception):  # noqa: N818  raised and caught within one reading
    """A signed body is not what CircleCI documents."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Where to look: UUIDs in lower case, empty where the body has none; at least one of them is there.

    `project` is the slug in short form, `project_id` its UUID; either may be empty.
    """

    event: Event
    workflow: str
    pipeline: str
    project: str
    project_id: str


class Inbox(Protocol):
    """Where hints wait to be asked about. Called in a thread of its own, one call at a time."""

    def knows(self, hint: Hint) -> bool:
        """Say whether the hint's project is polled here."""

    def accept(self, hint: Hint) -> bool:
        """Commit the hint. False where the state cannot take it, or too many wait."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where hints go, what they are signed with, and what is told the event and the result of each request."""

    inbox: Inbox
    secrets: Callable[[], Iterable[Secret]]
    counted: Callable[[Event, Result], None]

    def judge(self, event: Event, signature: str, body: bytes) -> Result:
        """Say what becomes of a request whose body was read; a hint that is accepted is committed."""
        if not signed(signature, body, self.secrets()):
            return "bad_signature"
        if event == "other":  # a test ping
            return "accepted"
        try:
            hint = read_hint(event, body)
        except Unusable:
            return "unusable"
        if not self.inbox.knows(hint):
            return "unknown_project"
        return "accepted" if self.inbox.accept(hint) else "busy"


class Receiver:
    """The route. Signatures, JSON and commits are no work for the event loop: `worker` is a thread for them."""

    def __init__(self, webhooks: Webhooks, bodies: Bodies, worker: Executor, incidents: Incidents) -> None:
        self._webhooks, self._bodies, self._worker, self._incidents = webhooks, bodies, worker, incidents
        self.route = Route(PATH, self._receive, methods=["POST"])

    async def _receive(self, request: Request) -> Response:
        event = event_of(request.headers.get("circleci-event-type", ""))
        try:
            result = await self._judged(event, request)
        except BodyRefused as refused:
            if refused.status not in REFUSED:
                return PlainTextResponse(f"{refused.text}\n", refused.status)
            result = REFUSED[refused.status]
        self._webhooks.counted(event, result)
        if result in NOTED:
            peer = request.client.host if request.client else ""
            self._incidents.note("webhook", result=result, webhook_event=event, peer=peer)
        status, text = ANSWERS[result]
        headers = {"retry-after": RETRY_AFTER} if result == "busy" else None
        return PlainTextResponse(f"{text}\n", status, headers)

    async def _judged(self, event: Event, request: Request) -> Result:
        signature = ",".join(request.headers.getlist("circleci-signature"))
        check_announced(request, LARGEST_BODY)
        if not signature:  # and so the body is not worth reading
            return "unsigned"
        judge = self._webhooks.judge
        loop = asyncio.get_running_loop()
        async with self._bodies.read(request, LARGEST_BODY, BODY_SECONDS) as body:
            try:
                async with asyncio.timeout(INBOX_SECONDS):
                    return await loop.run_in_executor(self._worker, judge, event, signature, body)
            except TimeoutError:
                return "busy"


def event_of(header: str) -> Event:
    """Return the event that a request names."""
    return next((event for event in EVENTS if event == header), "other")


def signed(header: str, body: bytes, secrets: Iterable[Secret]) -> bool:
    """Say whether the list of signatures has a `v1` that one of the secrets makes of exactly this body.

    CircleCI's form is `v1=<lower-case hex of HMAC-SHA256>[,v2=...]`. Compared in constant time.
    """
    if not header.isascii():
        return False
    given = [part.strip().removeprefix("v1=") for part in header.split(",") if part.strip().startswith("v1=")]
    made = [hmac.digest(secret.reveal().encode(), body, "sha256").hex() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in given[:MOST_SIGNATURES] for other in made)


def read_hint(event: Event, body: bytes) -> Hint:
    """Read where to look from a signed body. Raise Unusable for what is not as documented."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable from None
    if not isinstance(document, dict) or document.get("type", event) != event:
        raise Unusable
    workflow, pipeline = _id(document.get("workflow")), _id(document.get("pipeline"))
    # A job of a GitLab project comes without its workflow.
    if not workflow and (event == "workflow-completed" or not pipeline):
        raise Unusable
    return Hint(event, workflow, pipeline, *_project(document.get("project")))


def _id(found: object) -> str:
    """Return the UUID of an object, nothing where there is no object. No other text may get into a path."""
    if found is None:
        return ""
    ident = _uuid(found.get("id")) if isinstance(found, dict) else ""
    if not ident:
        raise Unusable
    return ident


def _project(found: object) -> tuple[str, str]:
    """Return slug and UUID of a project, nothing for either that is none: they only tell whose hint it is."""
    if not isinstance(found, dict):
        return "", ""
    slug = found.get("slug")
    try:
        known = project_slug(slug) if isinstance(slug, str) else ""
    except ValueError:
        known = ""
    return known, _uuid(found.get("id"))


def _uuid(value: object) -> str:
    ident = value.lower() if isinstance(value, str) else ""
    return ident if _UUID.fullmatch(ident) else ""
