"""The synthetic runner API: self-hosted runners of one namespace, and tasks that come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.demo.draws import draw
from exporter.demo.messages import Json, Refused, Reply, Request, json_reply
from exporter.demo.query import Parameter, Query
from exporter.demo.times import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.organization import Organization

PREFIX = "/api/v3/runner"
NAMESPACE_NAME = "acme"
CHANGES_EVERY = 20.0
"""Seconds after which tasks have come and gone."""
DAY = 86_400.0
_NAMESPACE, _CLASS = Parameter("namespace"), Parameter("resource-class")


@dataclass(frozen=True, slots=True)
class ResourceClass:
    """Runners of one kind; of `lost` ones the API still knows the last contact."""

    name: str
    description: str
    connected: int
    lost: int = 0
    busy: int = 0
    waiting: int = 0


CLASSES = (
    ResourceClass("acme/gpu", "GPU builders that nobody has started", connected=0, waiting=2),
    ResourceClass("acme/linux-large", "Linux, 16 CPUs", connected=6, lost=1, busy=6, waiting=5),
    ResourceClass("acme/macos-m4", "Mac minis in the office", connected=2, lost=1, busy=2, waiting=3),
)
VERSIONS = ("3.1.5", "3.1.5", "3.0.9")


class Runners:
    """The runner API of an organization."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization

    def respond(self, request: Request) -> Reply:
        """Answer a request below `PREFIX` with a good token, which must stand in Circle-Token."""
        try:
            return json_reply(self._reply(request))
        except Refused as refusal:
            return refusal.reply

    def document(self, path: str, subject: str) -> Json:
        """What is said on a path of a class or, where the name has no slash, of a namespace. Raises Refused."""
        chosen = [each for each in CLASSES if subject in {each.name, NAMESPACE_NAME}]
        if not chosen:
            raise Refused(404, "Not found")
        answer, _ = _ROUTES[path]
        return answer(self._organization, chosen)

    def _reply(self, request: Request) -> Json:
        if "circle-token" not in request.headers:
            raise Refused(401, "Invalid token provided.")
        path = request.path.removeprefix(PREFIX)
        if path not in _ROUTES:
            raise Refused(404, "Not Found")
        if request.method != "GET":
            raise Refused(405, "Method Not Allowed")
        return self.document(path, _subject(Query(request.query, _ROUTES[path][1])))


def _subject(query: Query) -> str:
    """What exactly one filter names. Raises Refused."""
    namespace, name = query.one(_NAMESPACE), query.one(_CLASS)
    if (namespace is None) == (name is None):
        raise Refused(400, "Exactly one filter is required")
    if "/" in (namespace or "") or "/" not in (name or "/"):
        raise Refused(400, "A class has a slash, and a namespace none")
    return namespace or name or ""


def _unclaimed(organization: Organization, chosen: list[ResourceClass]) -> Json:
    (each,) = chosen
    return {"unclaimed_task_count": round(each.waiting * _share(organization, each, "waiting"))}


def _running(organization: Organization, chosen: list[ResourceClass]) -> Json:
    (each,) = chosen
    return {"running_runner_tasks": round(each.busy * _share(organization, each, "busy"))}


def _resources(organization: Organization, chosen: list[ResourceClass]) -> Json:
    return {
        "items": [
            {
                "id": draw(f"{organization.seed}|{each.name}").uuid,
                "resource_class": each.name,
                "description": each.description,
            }
            for each in chosen
        ]
    }


def _runners(organization: Organization, chosen: list[ResourceClass]) -> Json:
    now = organization.clock.now()
    items = []
    for each in chosen:
        for number in range(each.connected + each.lost):
            host = f"{each.name.partition('/')[2]}-{number + 1}"
            contact = now - 10.0 * (number % 3) if number < each.connected else now - DAY * (1 + number)
            items.append(
                {
                    "resource_class": each.name,
                    "hostname": host,
                    "name": host,
                    "first_connected": written(now - 30 * DAY),
                    "last_connected": written(contact),
                    "last_used": written(contact) if number else None,
                    "ip": f"10.1.2.{number + 1}",
                    "version": VERSIONS[number % len(VERSIONS)],
                }
            )
    return {"items": items}


def _share(organization: Organization, each: ResourceClass, what: str) -> float:
    """How much of what a class has at most there is now."""
    moment = organization.clock.now() // CHANGES_EVERY
    return draw(f"{organization.seed}|{each.name}|{what}|{moment}").uniform[0]


_ROUTES: dict[str, tuple[Callable[[Organization, list[ResourceClass]], Json], tuple[Parameter, ...]]] = {
    "": (_runners, (_NAMESPACE, _CLASS)),
    "/resource": (_resources, (_NAMESPACE,)),
    "/tasks": (_unclaimed, (_CLASS,)),
    "/tasks/running": (_running, (_CLASS,)),
}
