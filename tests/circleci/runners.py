"""The demo's runner API, with what a test sets of it: resource classes with their tasks and runners."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from exporter.demo.messages import Refused
from exporter.demo.runners import PREFIX, Runners

if TYPE_CHECKING:
    from exporter.demo.messages import Json
    from exporter.demo.organization import Organization

RESOURCE, TASKS, RUNNING, RUNNERS = "/resource", "/tasks", "/tasks/running", ""
FRESH, GONE = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z"


def asking(path: str, subject: str) -> str:
    """The question about a class or a namespace, for faults and in the log."""
    return f"{PREFIX}{path}" + r"\?[a-z-]+=" + re.escape(quote(subject, safe="")) + "$"


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


class SetRunners(Runners):
    """As the demo has them until a test sets something; then there is nothing else."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(organization)
        self._documents: dict[tuple[str, str], Json] = {}

    def set(self, path: str, subject: str, document: Json) -> None:
        """Say this of a class or a namespace."""
        self._documents[path, subject] = document

    def resource_class(
        self, name: str, unclaimed: Json = 0, running: Json = 0, runners: tuple[dict[str, Json], ...] = ()
    ) -> None:
        """Set all that is asked about one class."""
        self.set(TASKS, name, {"unclaimed_task_count": unclaimed})
        self.set(RUNNING, name, {"running_runner_tasks": running})
        self.set(RUNNERS, name, {"items": list(runners)})

    def namespace(self, name: str, classes: tuple[str, ...], runners: tuple[dict[str, Json], ...] = ()) -> None:
        """Set what is asked about one namespace."""
        entries = [{"id": each, "resource_class": each, "description": ""} for each in classes]
        self.set(RESOURCE, name, {"items": entries})
        self.set(RUNNERS, name, {"items": list(runners)})

    def document(self, path: str, subject: str) -> Json:
        if not self._documents:
            return super().document(path, subject)
        if (path, subject) not in self._documents:
            raise Refused(404, "Not found")
        return self._documents[path, subject]
