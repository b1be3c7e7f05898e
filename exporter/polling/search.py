"""The search for an organization's projects at CircleCI, which has no endpoint that lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice

from exporter.config import Organization
from exporter.errors import NotFoundError, PollError
from exporter.insights.collectors import COLLECTORS, ORGANIZATIONS
from exporter.insights.payloads import Reading, Unreadable, at, items, optional_text
from exporter.insights.questions import Question
from exporter.knowledge import discovered_projects, holding
from exporter.knowledge.discovered_projects import Sightings
from exporter.knowledge.facts import PROJECT
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Part, kept
from exporter.polling.attempt import Attempt
from exporter.polling.kind import Means


@dataclass(slots=True)
class Found:
    """What a search found: the projects, packed rows of totals by question, and the first failure.

    `sightings` is None when nothing was answered that says which projects there are; `unreadable` says that
    a list of them had an entry that is no name.
    """

    sightings: Sightings | None = None
    totals: dict[Question, bytes] = field(default_factory=dict)
    error: PollError | None = None
    unreadable: bool = False


class OrganizationSearch:
    """One search under way; it has one step. What it finds is kept like a project's answers."""

    def __init__(self, organization: Organization, means: Means, done: Callable[[], None], *, totals: bool) -> None:
        """`done` is called when something was published, `totals` says whether this process shows them."""
        self._organization, self._totals, self._done = organization, totals, done
        self._attempts, self._store, self._state, self._failures = means

    def step(self) -> bool:
        """Search, commit what was found and show it; returns that there is no more to do."""
        before = self._store.get(self._organization.slug)
        if before is not None:
            attempt = self._attempts.begin(ORGANIZATIONS, self._organization.discovery_interval)
            found = find(attempt, self._organization, discovered_projects.seen(before), totals=self._totals)
            if self._publish(attempt, found):
                self._done()
        return False

    def _publish(self, attempt: Attempt, found: Found) -> bool:
        """Commit what was found and show it, with the current settings; returns whether it is still wanted."""
        slug = self._organization.slug
        with self._store.lock(slug):
            base = self._store.get(slug)
            if base is None:  # taken out of the configuration meanwhile
                return False
            now = attempt.now()
            changed = {
                question: holding.answered(base.parts.get(question), rows, now, None)
                for question, rows in found.totals.items()
            }
            if found.sightings is not None:
                packed = discovered_projects.packed(found.sightings)
                changed[discovered_projects.pipelines(slug)] = Part(packed, now, now)
            merged = replace(
                base,
                parts={**base.parts, **changed},
                outcomes=attempt.outcomes(base.outcomes),
                polled_at=now,
            )
            asked = discovered_projects.asked(base.project, totals=self._totals)
            merged, gone = kept(merged, asked.__contains__)
            self._state.commit(merged, [question for question in changed if question in merged.parts], gone)
            self._store.publish([merged], now, polled=True)
        self._failures.outcomes(base, merged)
        return True


def find(attempt: Attempt, organization: Organization, known: Sightings, *, totals: bool = True) -> Found:
    """Search one organization; `known` is what was found before.

    Without `totals` one reporting window is asked for, since any of them names the projects. A PollError
    is counted and noted, not raised; whatever it does not affect is found.
    """
    found = Found()
    by_name = discovered_projects.by_name(organization.slug)
    names = _summaries(attempt, organization, found, totals=totals, tolerant=not by_name)
    if by_name and names:
        found.sightings, unread = discovered_projects.of_names(organization.slug, names, attempt.now())
        attempt.unread(unread)
        if found.unreadable or unread:  # it may be one that is known: nothing is taken away
            found.sightings = {**known, **found.sightings}
    elif (names is not None or not by_name) and not attempt.over():
        found.sightings = _pipelines(attempt, organization.slug, known)
    if found.sightings is not None:
        found.sightings = _named(attempt, organization, found.sightings)
    found.error = attempt.error
    return found


def _summaries(
    attempt: Attempt, organization: Organization, found: Found, *, totals: bool, tolerant: bool
) -> list[str] | None:
    """Ask for the organization's summaries; returns the names in them, None when none was answered.

    A tolerant search accepts that CircleCI may have no summary of this kind of organization.
    """
    collector = COLLECTORS[ORGANIZATIONS]
    windows = organization.template.windows if totals else organization.template.windows[:1]
    names: dict[str, None] | None = None
    for question in collector.questions(organization.slug, windows=windows):
        try:
            rows, unread = collector.read(list(attempt.pages(question)), question, attempt.now())
        except PollError as error:
            if not (tolerant and isinstance(error, NotFoundError)):
                attempt.fail(error)
            if attempt.over():
                break
            continue
        attempt.unread(unread)
        found.unreadable = found.unreadable or discovered_projects.LIST in unread
        found.totals[question] = pack(collector, rows)
        names = {**(names or {}), **dict.fromkeys(name for (name,), _ in rows["names"])}
    return None if names is None else list(names)


def _pipelines(attempt: Attempt, slug: str, known: Sightings) -> Sightings | None:
    """Read the newest pipelines; what was read before a failure was seen all the same."""
    reading, complete = Reading(), False
    try:
        pages = attempt.pages(discovered_projects.pipelines(slug))
        for page in islice(pages, discovered_projects.PIPELINE_PAGES):
            reading.add(items(page), ("project_slug",), ())
        complete = True
    except PollError as error:
        attempt.fail(error)
    slugs = dict.fromkeys(slug for (slug,), _ in reading.rows)
    if not slugs and not complete:
        return None
    sightings, unread = discovered_projects.of_pipelines(known, slug, slugs, attempt.now())
    attempt.unread(reading.unread + unread)
    return sightings


def _named(attempt: Attempt, organization: Organization, seen: Sightings) -> Sightings:
    """Ask for the names that the choice of projects depends on; each is asked for until it is known."""
    names = {}
    for slug in discovered_projects.nameless(organization, seen):
        if attempt.over():
            break
        try:
            page = attempt.document(Question(ORGANIZATIONS, PROJECT, slug))
            names[slug] = optional_text(at(page, "name"))
        except Unreadable:
            attempt.unread({"name": 1})
        except PollError as error:
            attempt.fail(error)
    return discovered_projects.named(seen, names)
