"""What no part of the file can tell by itself: two that are the same, settings that contradict, a missing file."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from exporter.config.model import UNSCOPED
from exporter.config.places import dotted
from exporter.config.values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.model import OrganizationSection, ProjectSection
    from exporter.config.places import Document
    from exporter.config.settings import CircleCI, Project

    Entries = Mapping[int, ProjectSection] | Mapping[int, OrganizationSection]
    """The entries of a list of the file that have no mistake of their own, by their index in it."""

_SCOPE_KEYS: Final = frozenset({"default_branch", "all_branches", "branches", "collectors"})


def check_entries(document: Document) -> None:
    """Report a file that names nothing to poll."""
    if not document.data.get("projects", []) and not document.data.get("organizations", []):
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


def check_names(document: Document, projects: Mapping[int, ProjectSection]) -> None:
    """Report each name that two projects of different slugs share: the label `project` must tell them apart."""
    first: dict[str, int] = {}
    for index, section in projects.items():
        other = first.setdefault(section.name or section.slug, index)
        if section.slug != projects[other].slug:
            key = "name" if section.name else "slug"
            document.report(("projects", index, key), None, f"each name once; {dotted(('projects', other))} has it")


def check_scopes(document: Document, key: str, entries: Entries, settings: Mapping[int, Project]) -> None:
    """Report entries whose collectors ask about branches while none is chosen, at `defaults` where it is said there."""
    reported = set[tuple[str | int, ...]]()
    for index, section in entries.items():
        project = settings[index]
        scoped = [collector for collector in project.collectors if collector not in UNSCOPED]
        path = (key, index) if section.model_fields_set & _SCOPE_KEYS else ("defaults",)
        if scoped and not (project.default_branch or project.all_branches or project.branches) and path not in reported:
            reported.add(path)
            allowed = f"default_branch: true, all_branches: true or branches, for the collectors {', '.join(scoped)}"
            document.report(path, "no branch to ask about", allowed)
