"""What the label `project` is where the configuration gives no name. Pure."""

from __future__ import annotations

from exporter.config import Project
from exporter.knowledge.snapshots import Facts

OPAQUE = "circleci/"
"""Slugs that begin like this are made of ids, which tell a person nothing."""


def wanted(project: Project, facts: Facts | None) -> str:
    """The label that CircleCI's names make; empty where the slug is wanted, or while they are not known.

    Whether the configuration gives a name is another question.
    """
    if project.project_label == "slug" or (project.project_label == "auto" and not project.slug.startswith(OPAQUE)):
        return ""
    if facts is None or not facts.organization or not facts.project_name:
        return ""
    return f"{facts.organization}/{facts.project_name}"
