"""Which organizations' lists of newest pipelines are read: those that several polled projects share. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from exporter.config import Project
from exporter.insights.collectors import PIPELINES

SHARED_BY = 2
"""Projects of an organization from which on its list is cheaper than theirs."""


def organization_of(slug: str) -> str:
    """The slug of a project's organization."""
    return slug.rpartition("/")[0]


def shared(projects: Iterable[Project]) -> dict[str, dict[str, float]]:
    """By organization whose list is read, the intervals of its projects in seconds, by their slugs."""
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for project in projects:
        if PIPELINES in project.collectors:
            found[organization_of(project.slug)][project.slug] = project.pipelines.interval
    return {organization: each for organization, each in found.items() if len(each) >= SHARED_BY}
