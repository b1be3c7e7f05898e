"""Looking for an organization's projects at CircleCI, which has no endpoint that lists them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from exporter.errors import NotFoundError, PollError
from exporter.insights.collectors import COLLECTORS, ORGANIZATIONS
from exporter.insights.payloads import Reading, Unreadable, at, items, optional_text
from exporter.insights.questions import Question
from exporter.knowledge import discovered_projects
from exporter.knowledge.snapshots import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Organization
    from exporter.knowledge.discovered_projects import Sightings
    from exporter.polling.project import Client
    from exporter.telemetry import Telemetry


@dataclass(slots=True)
class Found:
    """What a search found: the projects, packed rows of totals by question, and the first failure.

    `sightings` is None when nothing was answered that says which projects there are.
    """

    sightings: Sightings | None = None
    totals: dict[Question, bytes] = field(default_factory=dict)
    error: PollError | None = None
    gave_up: bool = False


class Discovery:
    """Searches organizations, from any number of threads."""

    def __init__(
        self, client: Callable[[], Client], telemetry: Telemetry, *, wall: Callable[[], float] = time.time
    ) -> None:
        """`client` gives the one that serves now; `wall` gives Unix seconds."""
        self._client, self._telemetry, self._wall = client, telemetry, wall

    def find(self, organization: Organization, known: Sightings, deadline: float, *, totals: bool = True) -> Found:
        """Search one organization; `known` is what was found before, `deadline` a moment of the client's clock.

        Without `totals` one reporting window is asked for, since any of them names the projects. A PollError
        is counted and noted, and whatever it leaves untouched is found; it is not raised.
        """
        found = Found()
        by_name = discovered_projects.by_name(organization.slug)
        names = self._summaries(organization, found, deadline, totals=totals, tolerant=not by_name)
        if by_name and names:
            found.sightings, unread = discovered_projects.of_names(organization.slug, names, self._wall())
            self._telemetry.unread(ORGANIZATIONS, unread)
        elif (names is not None or not by_name) and not found.gave_up:
            self._pipelines(organization, known, found, deadline)
        if found.sightings is not None:
            found.sightings = self._named(organization, found.sightings, found, deadline)
        return found

    def _summaries(
        self, organization: Organization, found: Found, deadline: float, *, totals: bool, tolerant: bool
    ) -> list[str] | None:
        """Ask for the organization's summaries; returns the names in them, None when none was answered.

        A tolerant search takes it that CircleCI may have no summary of this kind of organization.
        """
        collector = COLLECTORS[ORGANIZATIONS]
        windows = organization.template.windows if totals else organization.template.windows[:1]
        names: dict[str, None] | None = None
        for question in collector.questions(organization.slug, windows=windows):
            try:
                pages = list(self._client().pages(question, deadline=deadline))
                rows, unread = collector.read(pages, question, self._wall())
            except PollError as error:
                if not (tolerant and isinstance(error, NotFoundError)):
                    self._failed(found, error)
                if found.gave_up:
                    break
                continue
            self._telemetry.unread(ORGANIZATIONS, unread)
            found.totals[question] = pack(collector, rows)
            names = {**(names or {}), **dict.fromkeys(name for (name,), _ in rows["names"])}
        return None if names is None else list(names)

    def _pipelines(self, organization: Organization, known: Sightings, found: Found, deadline: float) -> None:
        """Read the newest pipelines; what was read before a failure was seen all the same."""
        reading, complete = Reading(), False
        try:
            pages = self._client().pages(discovered_projects.pipelines(organization.slug), deadline=deadline)
            for page in islice(pages, discovered_projects.PIPELINE_PAGES):
                for entry in items(page):
                    reading.add(entry, ("project_slug",), ())
            complete = True
        except PollError as error:
            self._failed(found, error)
        slugs = dict.fromkeys(slug for (slug,), _ in reading.rows)
        if slugs or complete:
            found.sightings, unread = discovered_projects.of_pipelines(known, organization.slug, slugs, self._wall())
            self._telemetry.unread(ORGANIZATIONS, reading.unread + unread)

    def _named(self, organization: Organization, seen: Sightings, found: Found, deadline: float) -> Sightings:
        """Ask for the names that the choice of projects hangs on; each is asked for until it is known."""
        names = {}
        for slug in discovered_projects.nameless(organization, seen):
            if found.gave_up:
                break
            try:
                question = Question(ORGANIZATIONS, "/project/{slug}", slug)
                page = next(self._client().pages(question, deadline=deadline))
                names[slug] = optional_text(at(page, "name"))
            except Unreadable:
                self._telemetry.unread(ORGANIZATIONS, {"name": 1})
            except PollError as error:
                self._failed(found, error)
        return discovered_projects.named(seen, names)

    def _failed(self, found: Found, error: PollError) -> None:
        self._telemetry.failed(ORGANIZATIONS, error.reason)
        found.error = found.error or error
        found.gave_up = found.gave_up or error.ends_poll
