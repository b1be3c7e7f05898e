"""Slugs of projects and organizations: which texts are one, and which slug an address stands for. Pure."""

from __future__ import annotations

import re
from typing import Final

SEGMENT: Final = r"(?!\.{1,2}(?:/|$))[^\s/?#%\\]+"
ORGANIZATION: Final = f"(?:gh|github|bb|bitbucket|circleci)/{SEGMENT}"
PROJECT: Final = f"{ORGANIZATION}/{SEGMENT}"
RULE: Final = "no spaces, no ? # % \\, no segment . or .."

_SHORT: Final = {"github": "gh", "bitbucket": "bb"}
_PROVIDERS: Final = frozenset({"gh", "github", "bb", "bitbucket", "circleci"})
_HOSTS: Final = {"github.com": "gh", "bitbucket.org": "bb"}
_OF_PROJECTS: Final = frozenset({"", "pipelines", "insights", "settings/project", "status-badge/img"})
"""What stands before the slug in the path of a page about one project."""
_ADDRESS: Final = re.compile(
    r"(?:[a-z+]+://)?(?:(?P<user>[^/@]*)@)?(?P<host>[^/:@]+\.[^/:@]+)(?::\d+)?[:/](?P<path>[^?#]*).*"
)


def project_slug(text: str) -> str:
    """Return the slug in short form, `gh/acme/web` for `github/acme/web`. Raise ValueError for what is no project's."""
    return _slug(text, PROJECT)


def organization_slug(text: str) -> str:
    """Return the organization's slug in its short form. Raise ValueError for what is none."""
    return _slug(text, ORGANIZATION)


def meant(text: str, pattern: str) -> str:
    """The slug that an address of a repository, or of a page of CircleCI, stands for; nothing where it is not clear."""
    address = _ADDRESS.fullmatch(text)
    if address is None:
        return ""
    host, path = address["host"].lower().removeprefix("www."), address["path"].strip("/").removesuffix(".git")
    segments = path.removeprefix("orgs/").split("/")
    if host in _HOSTS:
        segments = [_HOSTS[host], *segments]
    begin = next((index for index, segment in enumerate(segments) if segment in _PROVIDERS), len(segments))
    if pattern == PROJECT and "/".join(segments[:begin]) not in _OF_PROJECTS:
        return ""
    try:
        return _slug("/".join(segments[begin : begin + pattern.count(SEGMENT) + 1]), pattern)
    except ValueError:
        return ""


def shows_secret(text: str) -> bool:
    """Whether a text is an address with a user name that may be a token, or a password."""
    address = _ADDRESS.fullmatch(text)
    return address is not None and address["user"] not in {None, "git"}


def _slug(text: str, pattern: str) -> str:
    if not re.fullmatch(pattern, text) or not text.isprintable():
        raise ValueError
    provider, rest = text.split("/", 1)
    return f"{_SHORT.get(provider, provider)}/{rest}"
