"""A runner API that a test sets: a real server on loopback, with an answer for each question."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import parse_qs

from exporter.demo.messages import Reply, Request, json_reply, message
from exporter.demo.server import Server
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from exporter.demo.messages import Json

T = TypeVar("T")
ROOT = "/api/v3/runner"
TOKEN = "a-token-of-runners-0123456789"
RESOURCE, TASKS, RUNNING, RUNNERS = "/resource", "/tasks", "/tasks/running", ""
FRESH, GONE = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z"


def runner(resource_class: str, version: str | None = "3.1.5", last_connected: Json = FRESH) -> dict[str, Json]:
    """One runner as the API lists it."""
    return {
        "resource_class": resource_class,
        "hostname": "host",
        "name": "host",
        "first_connected": GONE,
        "last_connected": last_connected,
        "last_used": None,
        "ip": "10.1.2.3",
        "version": version,
    }


class FakeRunnerApi:
    """Answers what it was given for a path and its filter's value, and 404 for all else."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._answers: dict[tuple[str, str], Reply | threading.Event] = {}
        self._watched: dict[tuple[str, str], Callable[[], None]] = {}
        self._server = Server(self._answer, 0, tls)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._answers.values():
            if isinstance(held, threading.Event):
                held.set()
        self._server.stop()

    def set(self, path: str, subject: str, document: Json, status: int = 200) -> None:
        """Answer with a document."""
        self._answers[path, subject] = json_reply(document, status)

    def reply(self, path: str, subject: str, reply: Reply) -> None:
        """Answer with anything."""
        self._answers[path, subject] = reply

    def hang(self, path: str, subject: str) -> None:
        """Give no answer from now on."""
        self._answers[path, subject] = threading.Event()

    def resource_class(
        self, name: str, unclaimed: Json = 0, running: Json = 0, runners: tuple[dict[str, Json], ...] = ()
    ) -> None:
        """Answer all that is asked about one class."""
        self.set(TASKS, name, {"unclaimed_task_count": unclaimed})
        self.set(RUNNING, name, {"running_runner_tasks": running})
        self.set(RUNNERS, name, {"items": list(runners)})

    def namespace(self, name: str, classes: tuple[str, ...], runners: tuple[dict[str, Json], ...] = ()) -> None:
        """Answer what is asked about one namespace."""
        entries = [{"id": each, "resource_class": each, "description": ""} for each in classes]
        self.set(RESOURCE, name, {"items": entries})
        self.set(RUNNERS, name, {"items": list(runners)})

    def asked(self, path: str | None = None, subject: str | None = None) -> list[tuple[str, str]]:
        """What was asked, path and filter's value, oldest first."""
        found = [_named(request) for request in list(self.requests)]
        return [each for each in found if path in {None, each[0]} and subject in {None, each[1]}]

    def when_asked(self, path: str, subject: str, look: Callable[[], T]) -> list[T]:
        """What is seen each time that this is asked from now on, once its answer is chosen."""
        seen: list[T] = []
        self._watched[path, subject] = lambda: seen.append(look())
        return seen

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.headers.get("circle-token") != TOKEN or "authorization" in request.headers:
            return message(401, "Invalid token provided.")
        held = self._answers.get(_named(request))
        self._watched.get(_named(request), lambda: None)()
        if isinstance(held, threading.Event):
            held.wait(PATIENCE)
            return message(503, "late")
        return held or message(404, "Not found")


def _named(request: Request) -> tuple[str, str]:
    filters = parse_qs(request.query)
    assert len(filters) == 1, f"exactly one filter is asked with: {json.dumps(filters)}"
    ((name, (value,)),) = filters.items()
    assert name == ("namespace" if "/" not in value else "resource-class")
    return request.path.removeprefix(ROOT), value
