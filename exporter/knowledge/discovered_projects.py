"""Which projects an organization has, as far as is known. Pure.

If CircleCI lists an organization's projects by name, the list is complete. Otherwise projects are known from
the newest pipelines, so one that is not among them may only have been quiet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from exporter.config import Globs, Organization, Project, project_slug
from exporter.insights.collector import Collector, Table
from exporter.insights.collectors import COLLECTORS, ORGANIZATIONS
from exporter.insights.family import Family
from exporter.insights.questions import Question
from exporter.knowledge.packing import pack, unpack
from exporter.knowledge.snapshots import Snapshot

FORGOTTEN_AFTER = 90 * 86_400.0
"""Seconds without a pipeline after which a project is forgotten: Insights has nothing about it any more."""
PIPELINE_PAGES = 25
"""How many pages of pipelines a search reads: as many as 500 pipelines."""

LIST = "all_projects"
"""Where an organization's summary lists the names of its projects."""

SIGHTINGS = Table(
    "found", (Family("seen_at", "", "When it was last seen."),), (), own={"slug": "slug", "name": "?name"}
)
_COLLECTOR = Collector(ORGANIZATIONS, "/pipeline", (SIGHTINGS,), paged=True)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A project that was seen at a time in Unix seconds; its name is empty while it is not known."""

    slug: str
    name: str
    seen_at: float


Sightings = dict[str, Sighting]
"""By slug."""


def by_name(slug: str) -> bool:
    """Whether the slugs of an organization's projects are made of their names."""
    return slug.startswith(("gh/", "bb/"))


def pipelines(organization: str) -> Question:
    """Asks for the newest pipelines of an organization; also the key under which its projects are kept."""
    return Question(ORGANIZATIONS, "/pipeline", organization, params=(("org-slug", organization),))


def asked(project: Project, *, totals: bool) -> set[Question]:
    """The questions whose answers are kept of an organization; its totals are shown by one of several shards."""
    windows = project.windows if totals else ()
    return {*COLLECTORS[ORGANIZATIONS].questions(project.slug, windows=windows), pipelines(project.slug)}


def packed(sightings: Sightings) -> bytes:
    """Sightings as they are kept in memory and on disk."""
    return pack(
        _COLLECTOR, {SIGHTINGS.name: [((each.slug, each.name), (each.seen_at,)) for each in sightings.values()]}
    )


def unpacked(kept: bytes) -> Sightings:
    """Sightings from what was kept."""
    return {slug: Sighting(slug, name, seen_at or 0.0) for (slug, name), (seen_at,) in unpack(kept, SIGHTINGS)}


def seen(snapshot: Snapshot) -> Sightings:
    """The projects that are known of an organization."""
    part = snapshot.parts.get(pipelines(snapshot.project.slug))
    return unpacked(part.rows) if part else {}


def of_names(organization: str, names: Iterable[str], now: float) -> tuple[Sightings, Counter[str]]:
    """The projects of a list of names, and how many names make no slug."""
    found, unread = Sightings(), Counter[str]()
    for name in names:
        try:
            slug = project_slug(f"{organization}/{name}")
        except ValueError:
            unread[LIST] += 1
        else:
            found[slug] = Sighting(slug, name, now)
    return found, unread


def of_pipelines(
    known: Sightings, organization: str, slugs: Iterable[str], now: float
) -> tuple[Sightings, Counter[str]]:
    """What was known and is not forgotten, with the projects of some pipelines, and how many slugs are none."""
    found = {
        slug: replace(each, seen_at=min(each.seen_at, now))  # the clock may have been ahead
        for slug, each in known.items()
        if now - each.seen_at < FORGOTTEN_AFTER
    }
    provider = organization.split("/", 1)[0]
    unread = Counter[str]()
    for text in slugs:
        try:
            slug = project_slug(text)
        except ValueError:
            unread["project_slug"] += 1
            continue
        kind, _, name = slug.split("/")
        if kind == provider:
            before = known.get(slug)
            found[slug] = Sighting(slug, name if by_name(slug) else before.name if before else "", now)
    return found, unread


def nameless(organization: Organization, sightings: Sightings) -> list[str]:
    """The projects whose names must be asked for, since the organization chooses by name."""
    return [] if _takes_all(organization) else [slug for slug, each in sorted(sightings.items()) if not each.name]


def named(sightings: Sightings, names: Mapping[str, str]) -> Sightings:
    """Sightings with the names of some slugs."""
    return {slug: replace(each, name=names.get(slug, each.name)) for slug, each in sightings.items()}


def chosen(organization: Organization, sightings: Sightings) -> list[str]:
    """The slugs that the organization's settings choose by name, sorted; what has no known name is not chosen."""
    return sorted(
        slug
        for slug, each in sightings.items()
        if _takes_all(organization) or (each.name and organization.names.match(each.name))
    )


def all_projects(
    listed: Iterable[Project], organizations: Iterable[Organization], known: Mapping[str, Sightings]
) -> tuple[Project, ...]:
    """The projects listed by hand, then those found that are not among them, each once.

    A found project whose slug is the name of a listed one is left out: their series would be the same.
    """
    projects = {project.slug: project for project in listed}
    names = {project.name for project in projects.values()}
    for organization in organizations:
        for slug in chosen(organization, known.get(organization.slug, {})):
            if slug not in projects and slug not in names:
                projects[slug] = organization.project(slug)
    return tuple(projects.values())


def itself(organization: Organization) -> Project:
    """The organization as a project: its totals and its searches are shown under its slug."""
    return organization.template.model_copy(
        update={
            "slug": organization.slug,
            "name": organization.slug,
            "interval": organization.discovery_interval,
            "collectors": (ORGANIZATIONS,),
        }
    )


def _takes_all(organization: Organization) -> bool:
    return organization.names == Globs()
