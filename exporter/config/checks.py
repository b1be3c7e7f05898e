"""Mistakes that no part of the file has by itself: duplicates, settings that contradict, a missing file."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from exporter.config.document import Document, dotted, file_error
from exporter.config.values import is_loopback
from exporter.insights.collectors import COLLECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.file import CircleCI, RunnerSettings, StateSettings, UsageSettings
    from exporter.config.settings import Organization, Project

    Lists = Mapping[str, Mapping[int, Project | Organization]]
    """By the lists' keys: the entries that have no mistake of their own, by their index in the list."""

CLOUD: Final = "circleci.com"
_SCOPE_KEYS: Final = frozenset({"default_branch", "all_branches", "branches", "collectors"})


def check_entries(document: Document, *, beside: bool) -> None:
    """Report a file that names nothing to poll; `beside` says whether it names runners or a Usage export."""
    if not beside and all(document.data.get(key, []) == [] for key in ("projects", "organizations")):
        document.report(
            ("projects",),
            "nothing to poll",
            "add one, such as gh/ORGANIZATION/REPOSITORY, or set organizations, runners or usage",
        )


def check_reach(document: Document, circleci: CircleCI) -> None:
    """Report a token that would travel in the clear, and a CA that cannot be loaded."""
    if circleci.url.startswith("http://") and not circleci.allow_insecure and not is_loopback(circleci.url):
        document.expected(("circleci", "url"), "https://; to send the token unencrypted, set allow_insecure: true")
    if circleci.ca_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(circleci.ca_file)
        except ssl.SSLError:
            document.report(("circleci", "ca_file"), f"no PEM certificate in {circleci.ca_file}")
        except OSError as error:
            document.report(("circleci", "ca_file"), f"{circleci.ca_file}: {file_error(error)}")


def check_state(document: Document, state: StateSettings) -> None:
    """Report two places for the state, and a password for none."""
    if state.path and state.url:
        document.report(("state", "url"), "state.path is set as well", "keep one: a file, or a database")
    if state.password_file and not state.url:
        document.report(("state", "password_file"), "state.url is not set", "set it, or remove password_file")


def check_usage(document: Document, usage: UsageSettings, state: StateSettings) -> None:
    """Report a Usage export that is counted without a place for what was counted."""
    if usage.organizations and not state.path and not state.url:
        hint = "set state.path or state.url: a restart without it would count job runs twice"
        document.report(("usage", "organizations"), "the Usage export needs a state", hint)


def check_runners(document: Document, circleci: CircleCI, runners: RunnerSettings) -> None:
    """Report a runner API that is not known to belong to CircleCI's address, or gets the token in the clear.

    The default of `runners.url` would send the token of a CircleCI server to circleci.com.
    """
    if not runners.wanted:
        return
    if "url" not in runners.model_fields_set and urlsplit(circleci.url).hostname != CLOUD:
        hint = f"set it to the address of your server's runner API; circleci.url is not {CLOUD}"
        document.report(("runners", "url"), "required key is missing", hint)
    if runners.url.startswith("http://") and not circleci.allow_insecure and not is_loopback(runners.url):
        hint = "https://; to send the token unencrypted, set circleci.allow_insecure: true"
        document.expected(("runners", "url"), hint)


def check_slugs(document: Document, lists: Lists) -> None:
    """Report each slug that stands twice in a list, in whatever form."""
    for key, entries in lists.items():
        first: dict[str, int] = {}
        for index, entry in entries.items():
            other = first.setdefault(entry.slug, index)
            if other != index:
                document.report((key, index, "slug"), f"duplicate slug {entry.slug}, first at {dotted((key, other))}")


def check_names(document: Document, projects: Mapping[int, Project], organizations: Mapping[int, Organization]) -> None:
    """Report each name that two projects of different slugs share: the label `project` must tell them apart.

    An organization speaks of its search under its slug, which is no project's name therefore.
    """
    searched = {organization.slug: index for index, organization in organizations.items()}
    first: dict[str, int] = {}
    for index, project in projects.items():
        other = first.setdefault(project.name, index)
        if project.slug != projects[other].slug:
            key = "slug" if project.name == project.slug else "name"
            what = f"duplicate name {project.name}, first at {dotted(('projects', other))}"
            document.report(("projects", index, key), what, "give one of them another name")
        if project.name in searched:
            owner = dotted(("organizations", searched[project.name]))
            document.report(
                ("projects", index, "name"), f"name {project.name} is the slug of {owner}", "choose another name"
            )


def check_scopes(document: Document, lists: Lists) -> None:
    """Report entries whose collectors need a branch while none is chosen: once at `defaults` where it is said there."""
    reported = set[tuple[str | int, ...]]()
    for key, entries in lists.items():
        for index, entry in entries.items():
            scoped = [name for name in entry.collectors if COLLECTORS[name].scoped]
            path: tuple[str | int, ...] = (key, index) if entry.model_fields_set & _SCOPE_KEYS else ("defaults",)
            if scoped and not (entry.default_branch or entry.all_branches or entry.branches) and path not in reported:
                reported.add(path)
                hint = f"set default_branch, all_branches or branches; needed by {', '.join(scoped)}"
                document.report(path, "no branch is selected", hint)
