"""What no part of the file can tell by itself: two that are the same, settings that contradict, a missing file."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.config.model import UNSCOPED
from exporter.config.places import dotted
from exporter.config.values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from exporter.config.model import OrganizationSection, ProjectSection
    from exporter.config.places import Document, Key
    from exporter.config.settings import CircleCI, Project

    Entries = Mapping[int, ProjectSection] | Mapping[int, OrganizationSection]
    """The entries of a list of the file that have no mistake of their own, by their index in it."""

_SCOPE_KEYS: Final = frozenset({"default_branch", "all_branches", "branches", "collectors"})


class Asked(NamedTuple):
    """An entry that has no mistake of its own: where it stands, which keys it gives, and what becomes of it."""

    path: tuple[Key, ...]
    given: AbstractSet[str]
    project: Project


def check_entries(document: Document) -> None:
    """Report a file that names nothing to poll."""
    if all(document.data.get(key, []) == [] for key in ("projects", "organizations")):
        allowed = "at least one entry in projects or organizations, such as gh/ORGANIZATION/REPOSITORY"
        document.report(("projects",), "no project and no organization", allowed)


def check_reach(document: Document, circleci: CircleCI) -> None:
    """Report a token that would travel in the clear, and a CA that cannot be loaded."""
    if circleci.url.startswith("http://") and not circleci.allow_insecure and not is_loopback(circleci.url):
        document.report(("circleci", "url"), None, "https://, or with allow_insecure: true also http://")
    if circleci.ca_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(circleci.ca_file)
        except ssl.SSLError:
            document.report(
                ("circleci", "ca_file"), f"no certificate in {circleci.ca_file}", "a file of PEM certificates"
            )
        except OSError as error:
            found = f"{circleci.ca_file}: {error.strerror}"
            document.report(("circleci", "ca_file"), found, "a file of PEM certificates that can be read")


def check_slugs(document: Document, key: str, entries: Entries) -> None:
    """Report each slug that stands twice under `key`, in whatever form."""
    first: dict[str, int] = {}
    for index, section in entries.items():
        other = first.setdefault(section.slug, index)
        if other != index:
            document.report((key, index, "slug"), None, f"each slug once; {dotted((key, other))} has it")


def check_names(
    document: Document, projects: Mapping[int, ProjectSection], organizations: Mapping[int, OrganizationSection]
) -> None:
    """Report each name that two projects of different slugs share: the label `project` must tell them apart.

    An organization speaks of its search under its slug, which is no project's name therefore.
    """
    searched = {section.slug: index for index, section in organizations.items()}
    first: dict[str, int] = {}
    for index, section in projects.items():
        other = first.setdefault(section.name or section.slug, index)
        if section.slug != projects[other].slug:
            key = "name" if section.name else "slug"
            document.report(("projects", index, key), None, f"each name once; {dotted(('projects', other))} has it")
        if section.name in searched:
            owner = dotted(("organizations", searched[section.name]))
            document.report(("projects", index, "name"), None, f"a name that is no organization's; {owner} has it")


def check_scopes(document: Document, asked: Iterable[Asked]) -> None:
    """Report entries whose collectors need a branch while none is chosen: once at `defaults` where it is said there."""
    reported = set[tuple[str | int, ...]]()
    for path, given, project in asked:
        scoped = [collector for collector in project.collectors if collector not in UNSCOPED]
        place = path if given & _SCOPE_KEYS else ("defaults",)
        if (
            scoped
            and not (project.default_branch or project.all_branches or project.branches)
            and place not in reported
        ):
            reported.add(place)
            allowed = f"default_branch: true, all_branches: true or branches, for the collectors {', '.join(scoped)}"
            document.report(place, "no branch to ask about", allowed)
